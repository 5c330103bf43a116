#ifndef SAGAMESH_BENCH_LOAD_H_
#define SAGAMESH_BENCH_LOAD_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "bench/buyer.h"
#include "bench/open_loop.h"
#include "common/clock/clock.h"
#include "common/random/random.h"

namespace sagamesh::bench {

// The products "<prefix>0" to "<prefix><count - 1>".
struct Skus {
  std::string prefix;
  int count = 0;
};

// Creates the products that are not there, with more stock than a run can sell. The first error, if one cannot be.
absl::Status CreateProducts(const std::string& customers, const Skus& skus, Clock& clock);

// Starts so many purchases of single units and waits for none of them to end. The first error, if one is not started.
absl::Status StartSagas(const std::string& coordinator, const Skus& skus, int count, Clock& clock, Random& random);

struct LoadOptions {
  Skus skus;
  int callers = 1;                      // of a closed loop
  std::optional<OpenLoopOptions> open;  // instead of them
  // So many purchases are made before the warm-up, and from then on only asked for again. 0: every purchase is new.
  int replayed = 0;
  absl::Duration warmup;
  absl::Duration duration;
};

// Buys single units of random products, each purchase with a key of its own, and prints to standard output, each as one
// line at its time: "measuring", when the warm-up is over, "measured", when the duration is, and "result {...}" with
// the numbers in JSON. The first error, if a call failed.
absl::Status RunLoad(const LoadOptions& options, Buyer& buyer, Clock& clock, Random& random);

}  // namespace sagamesh::bench

#endif  // SAGAMESH_BENCH_LOAD_H_
