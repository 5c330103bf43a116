#ifndef SAGAMESH_BENCH_BUYER_H_
#define SAGAMESH_BENCH_BUYER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/clock/clock.h"

namespace sagamesh::bench {

struct Purchase {
  std::string idempotency_key;
  std::string sku;
};

// Buys single units. Thread-safe. Must not be destroyed while a purchase is under way.
class Buyer {
 public:
  using Done = std::function<void(absl::Status)>;

  virtual ~Buyer() = default;

  // Never blocks; `done` comes once, maybe at once, on any thread.
  virtual void Buy(const Purchase& purchase, Done done) = 0;
};

// By gRPC from a coordinator.
std::unique_ptr<Buyer> MakeGrpcBuyer(const std::string& coordinator, Clock& clock);

// By HTTP/1.1 from a gateway at HOST:PORT, HOST being an IPv4 address; each purchase that is under way has a
// connection of its own. UNAVAILABLE if it cannot be prepared.
absl::StatusOr<std::unique_ptr<Buyer>> MakeRestBuyer(const std::string& gateway);

}  // namespace sagamesh::bench

#endif  // SAGAMESH_BENCH_BUYER_H_
