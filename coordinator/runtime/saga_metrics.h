#ifndef SAGAMESH_COORDINATOR_RUNTIME_SAGA_METRICS_H_
#define SAGAMESH_COORDINATOR_RUNTIME_SAGA_METRICS_H_

#include <atomic>

#include "common/metrics/metrics.h"
#include "coordinator/engine/command.h"
#include "coordinator/engine/saga.h"

namespace sagamesh::runtime {

// What operators see of the sagas. Thread-safe.
class SagaMetrics {
 public:
  explicit SagaMetrics(metrics::Registry& registry);

  void Started() { started_.Increment(); }
  void Recovered() { recovered_.Increment(); }
  void Attached() { attached_.Increment(); }
  void Replayed() { replayed_.Increment(); }
  void Entered(engine::Phase phase);
  void BecameStuck() { stuck_.Increment(); }
  void Fenced() { fenced_.Increment(); }
  void Commanded(engine::Command::Kind kind, engine::CommandOutcome outcome);

 private:
  metrics::Registry& registry_;
  prometheus::Counter& started_;
  prometheus::Counter& recovered_;
  prometheus::Counter& attached_;
  prometheus::Counter& replayed_;
  prometheus::Counter& compensating_;
  prometheus::Counter& succeeded_;
  prometheus::Counter& compensated_;
  prometheus::Counter& parked_;
  prometheus::Counter& stuck_;
  prometheus::Counter& fenced_;
};

// How many sagas are in memory, those that are being claimed included; operators see the same number. Thread-safe.
class InflightSagas {
 public:
  explicit InflightSagas(metrics::Registry& registry);

  // Returns how many there were.
  int Enter() {
    gauge_.Increment();
    return count_++;
  }
  void Leave() {
    gauge_.Decrement();
    count_--;
  }
  int count() const { return count_; }

 private:
  std::atomic<int> count_{0};
  prometheus::Gauge& gauge_;
};

}  // namespace sagamesh::runtime

#endif  // SAGAMESH_COORDINATOR_RUNTIME_SAGA_METRICS_H_
