#include "bench/load.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/closed_loop.h"
#include "coordinator/v1/coordinator.grpc.pb.h"
#include "customers/v1/customers.grpc.pb.h"

namespace sagamesh::bench {
namespace {

constexpr int kChannels = 4;
constexpr int kSeedCallers = 256;
constexpr int32_t kUnitsEach = 1'000'000'000;
constexpr uint32_t kCustomerId = 1;  // of the demo data
constexpr absl::Duration kCallTimeout = absl::Seconds(30);

// A call with all that must live as long as it does; it deletes itself when it is answered.
template <typename Request, typename Response>
struct Call {
  grpc::ClientContext context;
  Request request;
  Response response;

  // gRPC's callback, which tells `done`.
  std::function<void(grpc::Status)> Answered(ClosedLoop::Done done) {
    return [this, done = std::move(done)](grpc::Status status) {
      delete this;
      done(std::move(status));
    };
  }
};

// Every channel has a connection of its own.
std::vector<std::shared_ptr<grpc::Channel>> Connect(const std::string& target) {
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < kChannels; i++) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channels.push_back(grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments));
  }
  return channels;
}

template <typename Service>
std::vector<std::unique_ptr<typename Service::Stub>> MakeStubs(
    const std::vector<std::shared_ptr<grpc::Channel>>& channels) {
  std::vector<std::unique_ptr<typename Service::Stub>> stubs;
  for (const auto& channel : channels) stubs.push_back(Service::NewStub(channel));
  return stubs;
}

absl::Status FirstError(const ClosedLoop& loop) {
  if (std::string error = loop.first_error(); !error.empty()) return absl::InternalError(error);
  return absl::OkStatus();
}

// User and system time of this process.
absl::Duration CpuTime() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

void PrintLine(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

std::string ToJson(const Tally& tally, absl::Duration wall, absl::Duration cpu) {
  return absl::StrFormat(R"({"sagas": %d, "failed": %d, "seconds": %.3f, "driver_cpu_seconds": %.3f, %s})",
                         tally.latencies.count(), tally.failed.load(), absl::ToDoubleSeconds(wall),
                         absl::ToDoubleSeconds(cpu), tally.latencies.ToJson());
}

}  // namespace

absl::Status CreateProducts(const std::string& customers, const Skus& skus, Clock& clock) {
  using CreateCall = Call<::customers::v1::CreateProductRequest, ::customers::v1::CreateProductResponse>;
  const auto channels = Connect(customers);
  const auto stubs = MakeStubs<::customers::v1::StockService>(channels);
  ClosedLoop loop(clock, [&](int caller, int64_t number, ClosedLoop::Done done) {
    if (number >= skus.count) return false;
    auto* call = new CreateCall;
    call->context.set_deadline(absl::ToChronoTime(clock.Now() + kCallTimeout));
    call->request.set_sku(absl::StrCat(skus.prefix, number));
    call->request.set_name("Measured");
    call->request.set_price_cents(1999);
    call->request.set_available(kUnitsEach);
    stubs[caller % kChannels]->async()->CreateProduct(&call->context, &call->request, &call->response,
                                                      call->Answered(std::move(done)));
    return true;
  });
  loop.Start(std::min(kSeedCallers, skus.count));
  loop.Drain();
  return FirstError(loop);
}

absl::Status RunLoad(const LoadOptions& options, Clock& clock, Random& random) {
  using OrderCall = Call<::coordinator::v1::ProcessOrderRequest, ::coordinator::v1::ProcessOrderResponse>;
  const auto channels = Connect(options.coordinator);
  const auto stubs = MakeStubs<::coordinator::v1::CoordinatorService>(channels);
  const std::string run = absl::StrCat(absl::Hex(random.Next(), absl::kZeroPad16));
  ClosedLoop loop(clock, [&](int caller, int64_t number, ClosedLoop::Done done) {
    auto* call = new OrderCall;
    call->context.set_deadline(absl::ToChronoTime(clock.Now() + kCallTimeout));
    call->context.AddMetadata("idempotency-key", absl::StrCat(run, "-", number));
    call->request.set_customer_id(kCustomerId);
    auto* item = call->request.add_items();
    item->set_sku(absl::StrCat(options.skus.prefix, random.Next() % options.skus.count));
    item->set_quantity(1);
    stubs[caller % kChannels]->async()->ProcessOrder(&call->context, &call->request, &call->response,
                                                     call->Answered(std::move(done)));
    return true;
  });
  Tally tally;
  loop.Start(options.callers);
  clock.SleepFor(options.warmup);
  PrintLine("measuring");
  const absl::Duration cpu = CpuTime();
  const absl::Time began = clock.Now();
  loop.CountInto(&tally);
  clock.SleepFor(options.duration);
  loop.CountInto(nullptr);
  const absl::Duration wall = clock.Now() - began;
  PrintLine(absl::StrCat("measured ", ToJson(tally, wall, CpuTime() - cpu)));
  loop.Stop();
  loop.Drain();
  return FirstError(loop);
}

}  // namespace sagamesh::bench
