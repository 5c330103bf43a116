#ifndef SAGAMESH_COMMON_METRICS_METRICS_H_
#define SAGAMESH_COMMON_METRICS_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>

#include "absl/status/status.h"

namespace sagamesh::metrics {

// The metrics of one process, kept by prometheus-cpp: what is returned lives as long as the registry and is
// thread-safe. Names follow Prometheus' conventions: sagamesh_<what>_<unit>, counters end in _total.
class Registry {
 public:
  Registry();
  ~Registry();

  using Labels = prometheus::Labels;
  prometheus::Counter& Counter(const std::string& name, const std::string& help, const Labels& labels = {});
  prometheus::Gauge& Gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  prometheus::Histogram& Histogram(const std::string& name, const std::string& help,
                                   const prometheus::Histogram::BucketBoundaries& boundaries,
                                   const Labels& labels = {});

  // Serves GET /metrics on "host:port" until the registry is destroyed. UNAVAILABLE if the port is taken.
  absl::Status Serve(const std::string& address);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sagamesh::metrics

#endif  // SAGAMESH_COMMON_METRICS_METRICS_H_
