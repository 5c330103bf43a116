#ifndef SAGAMESH_COORDINATOR_RUNTIME_SAGA_METRICS_H_
#define SAGAMESH_COORDINATOR_RUNTIME_SAGA_METRICS_H_

#include "common/metrics/metrics.h"
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
  void Inflight(int sagas) { inflight_.Set(sagas); }

 private:
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
  prometheus::Gauge& inflight_;
};

}  // namespace sagamesh::runtime

#endif  // SAGAMESH_COORDINATOR_RUNTIME_SAGA_METRICS_H_
