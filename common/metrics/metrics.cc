#include "common/metrics/metrics.h"

#include <prometheus/exposer.h>
#include <prometheus/family.h>

#include <exception>

#include "absl/strings/str_cat.h"

namespace sagamesh::metrics {

// prometheus-cpp returns the same family and the same metric for the same name and labels, under its own locks.
struct Registry::Impl {
  std::shared_ptr<prometheus::Registry> registry =
      std::make_shared<prometheus::Registry>(prometheus::Registry::InsertBehavior::Merge);
  std::unique_ptr<prometheus::Exposer> exposer;
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}

Registry::~Registry() = default;

prometheus::Counter& Registry::Counter(const std::string& name, const std::string& help, const Labels& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*impl_->registry).Add(labels);
}

prometheus::Gauge& Registry::Gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(*impl_->registry).Add(labels);
}

prometheus::Histogram& Registry::Histogram(const std::string& name, const std::string& help,
                                           const prometheus::Histogram::BucketBoundaries& boundaries,
                                           const Labels& labels) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(*impl_->registry).Add(labels, boundaries);
}

absl::Status Registry::Serve(const std::string& address) {
  try {
    impl_->exposer = std::make_unique<prometheus::Exposer>(address, /*num_threads=*/1);
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat("cannot serve metrics on ", address, ": ", error.what()));
  }
  impl_->exposer->RegisterCollectable(impl_->registry);
  return absl::OkStatus();
}

}  // namespace sagamesh::metrics
