#include "coordinator/service/grpc_service.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <future>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/exec/threads.h"
#include "common/paging/paging.h"
#include "common/rpc/status.h"
#include "common/sql/sqlite.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "coordinator/definitions/process_order.h"
#include "orders/v1/orders.pb.h"

namespace sagamesh::coordinator {
namespace {

using testing::IsError;

// Orders that succeed, except where the customer is 404, who does not exist.
class FakeOrders final : public rpc::StepCaller {
 public:
  void Call(const std::string& method, std::string request, const CallContext& context,
            absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) override {
    if (method == "orders.v1.OrdersService/CreateOrder") return done(Create(request));
    if (method == "orders.v1.OrdersService/ConfirmOrder") {
      ::orders::v1::ConfirmOrderResponse response;
      *response.mutable_order() = order_;
      response.mutable_order()->set_status(::orders::v1::Order::CONFIRMED);
      return done(response.SerializeAsString());
    }
    done(::orders::v1::CancelOrderResponse().SerializeAsString());
  }

 private:
  absl::StatusOr<std::string> Create(const std::string& bytes) {
    ::orders::v1::CreateOrderRequest request;
    request.ParseFromString(bytes);
    if (request.customer_id() == 404) {
      return MakeError(absl::StatusCode::kNotFound, {"customers", "CUSTOMER_NOT_FOUND"}, "no such customer");
    }
    ::orders::v1::CreateOrderResponse response;
    ::orders::v1::Order& order = *response.mutable_order();
    order.set_order_id(request.order_id());
    order.set_customer_id(request.customer_id());
    order.set_status(::orders::v1::Order::CREATED);
    for (const auto& item : request.items()) {
      auto* line = order.add_items();
      line->set_sku(item.sku());
      line->set_quantity(item.quantity());
      line->set_unit_price_cents(100);
      order.set_total_cents(order.total_cents() + 100 * item.quantity());
    }
    order_ = order;
    return response.SerializeAsString();
  }

  ::orders::v1::Order order_;
};

// The coordinator's edge over a real socket and a real journal, with one loop so that the fake needs no lock.
class GrpcServiceTest : public ::testing::Test {
 protected:
  GrpcServiceTest()
      : database_(sql::MakeSqliteDatabase(directory_.Path("coordinator.db"), clock_)),
        random_(MakeSystemRandom()),
        pool_(MakeThreadPool("worker", 4)),
        loop_(MakeThreadEventLoop("loop")) {
    definitions_.Add(std::move(*definitions::MakeProcessOrder()));
    journal_ = std::make_unique<journal::Journal>(
        journal::JournalOptions(), *database_, *pool_, clock_, *random_, registry_,
        [this](absl::Span<const engine::SagaRecord> changed, int64_t oldest_untold_ms) {
          hub_.Publish(changed, oldest_untold_ms);
        });
    EXPECT_OK(journal_->Open());
    runtime_ = std::make_unique<runtime::Runtime>(runtime::RuntimeOptions(), definitions_, *journal_, orders_,
                                                  std::vector<EventLoop*>{loop_.get()}, clock_, *random_, registry_);
    order_logic_ = std::make_unique<OrderLogic>(definitions_, *runtime_);
    saga_logic_ = std::make_unique<SagaLogic>(definitions_, *journal_, *runtime_, hub_);
    rpc::EdgeOptions options;
    options.domain = "coordinator";
    options.clock = &clock_;
    options.timers = loop_.get();
    options.registry = &registry_;
    edge_ = std::make_unique<rpc::Edge>(std::move(options));
    coordinator_service_ = std::make_unique<GrpcCoordinatorService>(*edge_, *order_logic_);
    saga_service_ = std::make_unique<GrpcSagaService>(*edge_, *saga_logic_);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(coordinator_service_.get());
    builder.RegisterService(saga_service_.get());
    server_ = builder.BuildAndStart();
    auto channel = grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
    coordinator_ = ::coordinator::v1::CoordinatorService::NewStub(channel);
    sagas_ = ::saga::v1::SagaService::NewStub(channel);
  }
  ~GrpcServiceTest() override {
    hub_.Close();
    server_->Shutdown();
    loop_->Shutdown();
    pool_->Shutdown();
  }

  static ::coordinator::v1::ProcessOrderRequest Order(uint32_t customer_id, int quantity = 1) {
    ::coordinator::v1::ProcessOrderRequest request;
    request.set_customer_id(customer_id);
    auto* item = request.add_items();
    item->set_sku("prod-123");
    item->set_quantity(quantity);
    return request;
  }
  absl::StatusOr<::coordinator::v1::ProcessOrderResponse> Process(const ::coordinator::v1::ProcessOrderRequest& request,
                                                                  grpc::ClientContext& context) {
    ::coordinator::v1::ProcessOrderResponse response;
    const absl::Status status = rpc::FromGrpc(coordinator_->ProcessOrder(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }
  absl::StatusOr<::coordinator::v1::ProcessOrderResponse> Process(
      const ::coordinator::v1::ProcessOrderRequest& request) {
    grpc::ClientContext context;
    return Process(request, context);
  }
  absl::StatusOr<::saga::v1::StartSagaResponse> StartSaga(const ::saga::v1::StartSagaRequest& request) {
    grpc::ClientContext context;
    ::saga::v1::StartSagaResponse response;
    const absl::Status status = rpc::FromGrpc(sagas_->StartSaga(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }
  absl::StatusOr<::saga::v1::ListSagasResponse> List(const ::saga::v1::ListSagasRequest& request) {
    grpc::ClientContext context;
    ::saga::v1::ListSagasResponse response;
    const absl::Status status = rpc::FromGrpc(sagas_->ListSagas(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }
  // The end of a watch that sees nothing.
  absl::Status WatchInVain(const ::saga::v1::WatchSagasRequest& request) {
    grpc::ClientContext context;
    auto stream = sagas_->WatchSagas(&context, request);
    ::saga::v1::WatchSagasResponse change;
    EXPECT_FALSE(stream->Read(&change));
    return rpc::FromGrpc(stream->Finish());
  }

  testing::TempDir directory_;
  SystemClock clock_;
  std::unique_ptr<sql::Database> database_;
  metrics::Registry registry_;
  WatchHub hub_;
  FakeOrders orders_;
  engine::DefinitionSet definitions_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<WorkerPool> pool_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<runtime::Runtime> runtime_;
  std::unique_ptr<OrderLogic> order_logic_;
  std::unique_ptr<SagaLogic> saga_logic_;
  std::unique_ptr<rpc::Edge> edge_;
  std::unique_ptr<GrpcCoordinatorService> coordinator_service_;
  std::unique_ptr<GrpcSagaService> saga_service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<::coordinator::v1::CoordinatorService::Stub> coordinator_;
  std::unique_ptr<::saga::v1::SagaService::Stub> sagas_;
};

TEST_F(GrpcServiceTest, AnOrderIsProcessedAndTheSameRequestIsReplayed) {
  const auto first = Process(Order(1));
  ASSERT_OK(first);
  EXPECT_EQ(first->status(), ::coordinator::v1::ProcessOrderResponse::CONFIRMED);
  EXPECT_EQ(first->total_cents(), 100);
  grpc::ClientContext context;
  const auto again = Process(Order(1), context);
  ASSERT_OK(again);
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  EXPECT_EQ(context.GetServerInitialMetadata().count("idempotent-replayed"), 1u);
}

TEST_F(GrpcServiceTest, AnErrorOfAParticipantComesThroughWithTheSagasId) {
  const auto failed = Process(Order(404));
  EXPECT_THAT(failed, IsError(absl::StatusCode::kNotFound, "CUSTOMER_NOT_FOUND"));
  EXPECT_EQ(GetErrorInfo(failed.status())->metadata().count("saga_id"), 1u);
}

TEST_F(GrpcServiceTest, BadInputNamesItsFieldAndStartsNothing) {
  EXPECT_THAT(Process(Order(0)), IsError(absl::StatusCode::kInvalidArgument, "INVALID_FIELD"));
  EXPECT_EQ(List({})->sagas_size(), 0);
}

TEST_F(GrpcServiceTest, AnExplicitKeyWithAnotherPayloadIsRefused) {
  grpc::ClientContext first;
  first.AddMetadata("idempotency-key", "key");
  ASSERT_OK(Process(Order(1), first));
  grpc::ClientContext second;
  second.AddMetadata("idempotency-key", "key");
  EXPECT_THAT(Process(Order(1, 2), second), IsError(absl::StatusCode::kInvalidArgument, "IDEMPOTENCY_KEY_REUSED"));
}

TEST_F(GrpcServiceTest, AStepsMetadataIsRefused) {
  grpc::ClientContext context;
  context.AddMetadata("saga-id", "018f2d6c-0000-7000-8000-000000000000");
  context.AddMetadata("saga-step", "create_order");
  context.AddMetadata("saga-op", "action");
  context.AddMetadata("saga-epoch", "1");
  EXPECT_THAT(Process(Order(1), context), IsError(absl::StatusCode::kInvalidArgument, "SAGA_METADATA_NOT_ALLOWED"));
}

TEST_F(GrpcServiceTest, ASagaIsStartedFoundAndListed) {
  ::saga::v1::StartSagaRequest request;
  request.set_definition("process_order");
  request.mutable_input()->PackFrom(Order(1));
  const auto started = StartSaga(request);
  ASSERT_OK(started);
  ASSERT_OK(Process(Order(1)));  // attaches to it, or replays it
  grpc::ClientContext context;
  ::saga::v1::GetSagaRequest get;
  get.set_saga_id(started->saga().saga_id());
  ::saga::v1::GetSagaResponse found;
  ASSERT_OK(rpc::FromGrpc(sagas_->GetSaga(&context, get, &found)));
  EXPECT_EQ(found.saga().state(), ::saga::v1::Saga::SUCCEEDED);
  ::coordinator::v1::ProcessOrderResponse result;
  EXPECT_TRUE(found.saga().result().UnpackTo(&result));
  ASSERT_OK(Process(Order(2)));
  ::saga::v1::ListSagasRequest list;
  list.set_page_size(1);
  const auto first = List(list);
  ASSERT_OK(first);
  ASSERT_EQ(first->sagas_size(), 1);
  list.set_page_token(first->next_page_token());
  const auto second = List(list);
  ASSERT_OK(second);
  ASSERT_EQ(second->sagas_size(), 1);
  EXPECT_EQ(second->sagas(0).saga_id(), started->saga().saga_id());
  EXPECT_EQ(second->next_page_token(), "");
}

TEST_F(GrpcServiceTest, AStartOfTheWrongTypeOrAnUnknownDefinitionIsRefused) {
  ::saga::v1::StartSagaRequest request;
  request.set_definition("process_order");
  request.mutable_input()->PackFrom(::orders::v1::CreateOrderRequest());
  EXPECT_THAT(StartSaga(request), IsError(absl::StatusCode::kInvalidArgument, "INVALID_FIELD"));
  request.set_definition("another");
  EXPECT_THAT(StartSaga(request), IsError(absl::StatusCode::kNotFound, "DEFINITION_NOT_FOUND"));
}

TEST_F(GrpcServiceTest, TheTextsOfAFilterAreChecked) {
  const auto expect_named = [](absl::string_view field, const absl::Status& status) {
    EXPECT_THAT(status, IsError(absl::StatusCode::kInvalidArgument, "INVALID_FIELD"));
    EXPECT_THAT(std::string(status.message()), ::testing::StartsWith(absl::StrCat(field, ": ")));
  };
  const auto listed = [&](absl::string_view field, const auto& fill) {
    ::saga::v1::ListSagasRequest request;
    fill(request);
    expect_named(field, List(request).status());
  };
  listed("definition", [](auto& request) { request.set_definition(std::string(129, 'd')); });
  listed("idempotency_key", [](auto& request) { request.set_idempotency_key(std::string(256, 'k')); });
  const auto watched = [&](absl::string_view field, const auto& fill) {
    ::saga::v1::WatchSagasRequest request;
    fill(request);
    expect_named(field, WatchInVain(request));
  };
  watched("definition", [](auto& request) { request.set_definition(std::string(129, 'd')); });
  watched("saga_id", [](auto& request) { request.set_saga_id("not\nprintable"); });
  watched("resume_token", [](auto& request) {
    request.set_resume_token(MakePageToken("changes", {absl::StrCat(std::numeric_limits<int64_t>::min())}));
  });
}

TEST_F(GrpcServiceTest, AnUnknownSagaIsNotFound) {
  grpc::ClientContext context;
  ::saga::v1::GetSagaRequest get;
  get.set_saga_id("nobody");
  ::saga::v1::GetSagaResponse found;
  EXPECT_THAT(rpc::FromGrpc(sagas_->GetSaga(&context, get, &found)),
              IsError(absl::StatusCode::kNotFound, "SAGA_NOT_FOUND"));
}

class GrpcCommandTest : public GrpcServiceTest {
 protected:
  absl::StatusOr<::saga::v1::Saga> Retry(const std::string& saga_id, const std::string& reason) {
    grpc::ClientContext context;
    ::saga::v1::RetrySagaRequest request;
    request.set_saga_id(saga_id);
    request.set_reason(reason);
    ::saga::v1::RetrySagaResponse response;
    const absl::Status status = rpc::FromGrpc(sagas_->RetrySaga(&context, request, &response));
    if (!status.ok()) return status;
    return response.saga();
  }
  absl::StatusOr<::saga::v1::Saga> Compensate(const std::string& saga_id, const std::string& reason) {
    grpc::ClientContext context;
    ::saga::v1::CompensateSagaRequest request;
    request.set_saga_id(saga_id);
    request.set_reason(reason);
    ::saga::v1::CompensateSagaResponse response;
    const absl::Status status = rpc::FromGrpc(sagas_->CompensateSaga(&context, request, &response));
    if (!status.ok()) return status;
    return response.saga();
  }
  // A saga that was parked behind the coordinator's back.
  std::string Park() {
    const auto failed = Process(Order(404));
    const std::string saga_id = GetErrorInfo(failed.status())->metadata().at("saga_id");
    auto connection = database_->Connect(sql::Access::kWrite);
    EXPECT_OK((*connection)->Execute("UPDATE sagas SET phase = 3"));
    return saga_id;
  }
};

TEST_F(GrpcCommandTest, AParkedSagaIsRetriedAndItsHistoryTellsWhy) {
  const std::string saga_id = Park();
  const auto saga = Retry(saga_id, "orders is back");
  ASSERT_OK(saga);
  EXPECT_EQ(saga->state(), ::saga::v1::Saga::COMPENSATING);
  ASSERT_EQ(saga->history_size(), 2);
  const ::saga::v1::HistoryEntry& decided = saga->history(0);
  EXPECT_EQ(decided.event(), ::saga::v1::HistoryEntry::DECIDED_TO_COMPENSATE);
  EXPECT_EQ(decided.reason(), "create_order: CUSTOMER_NOT_FOUND");
  EXPECT_EQ(decided.state_before(), ::saga::v1::Saga::RUNNING);
  const ::saga::v1::HistoryEntry& retried = saga->history(1);
  EXPECT_EQ(retried.event(), ::saga::v1::HistoryEntry::RETRY_SAGA);
  EXPECT_EQ(retried.reason(), "orders is back");
  EXPECT_EQ(retried.state_before(), ::saga::v1::Saga::PARKED);
  EXPECT_EQ(retried.state_after(), ::saga::v1::Saga::COMPENSATING);
  EXPECT_GT(retried.time().seconds(), 0);
}

TEST_F(GrpcCommandTest, AHistoryIsToldOfOneSagaAndNotOfMany) {
  const std::string saga_id = Park();
  grpc::ClientContext context;
  ::saga::v1::GetSagaRequest get;
  get.set_saga_id(saga_id);
  ::saga::v1::GetSagaResponse found;
  ASSERT_OK(rpc::FromGrpc(sagas_->GetSaga(&context, get, &found)));
  EXPECT_EQ(found.saga().history_size(), 1);
  EXPECT_EQ(List({})->sagas(0).history_size(), 0);
}

TEST_F(GrpcCommandTest, ASagaThatHasEndedIsLeftAsItIs) {
  const auto ended = Process(Order(1));
  ASSERT_OK(ended);
  EXPECT_THAT(Compensate(ended->saga_id(), "x"), IsError(absl::StatusCode::kFailedPrecondition, "SAGA_FINAL"));
  EXPECT_THAT(Retry(ended->saga_id(), "x"), IsError(absl::StatusCode::kFailedPrecondition, "SAGA_FINAL"));
}

TEST_F(GrpcCommandTest, ARecordThatCannotBeReadIsNotTouched) {
  const std::string saga_id = Park();
  auto connection = database_->Connect(sql::Access::kWrite);
  EXPECT_OK((*connection)->Execute("UPDATE sagas SET record = x'ffff'"));
  EXPECT_THAT(Retry(saga_id, "x"), IsError(absl::StatusCode::kFailedPrecondition, "SAGA_UNREADABLE"));
}

TEST_F(GrpcCommandTest, AnUnknownSagaAndABadReasonAreRefused) {
  EXPECT_THAT(Retry("nobody", "x"), IsError(absl::StatusCode::kNotFound, "SAGA_NOT_FOUND"));
  EXPECT_THAT(Compensate("nobody", "x"), IsError(absl::StatusCode::kNotFound, "SAGA_NOT_FOUND"));
  for (const std::string& reason : {std::string(), std::string("a\nb"), std::string(1025, 'x')}) {
    const auto refused = Retry("nobody", reason);
    EXPECT_THAT(refused, IsError(absl::StatusCode::kInvalidArgument, "INVALID_FIELD"));
    EXPECT_EQ(refused.status().message(), "reason: must be 1 to 1024 printable characters");
  }
  EXPECT_THAT(Retry("nobody", std::string(1024, 'x')), IsError(absl::StatusCode::kNotFound, "SAGA_NOT_FOUND"));
  EXPECT_EQ(Compensate("", "x").status().message(), "saga_id: must be 1 to 64 printable characters");
}

TEST_F(GrpcServiceTest, AWatcherSeesASagasLifeAndResumesAfterIt) {
  grpc::ClientContext context;
  auto stream = sagas_->WatchSagas(&context, {});
  stream->WaitForInitialMetadata();
  ASSERT_OK(Process(Order(1)));
  ::saga::v1::WatchSagasResponse started;
  ::saga::v1::WatchSagasResponse ended;
  ASSERT_TRUE(stream->Read(&started));
  ASSERT_TRUE(stream->Read(&ended));
  EXPECT_EQ(started.saga().state(), ::saga::v1::Saga::RUNNING);
  EXPECT_EQ(ended.saga().state(), ::saga::v1::Saga::SUCCEEDED);
  EXPECT_LT(started.saga().version(), ended.saga().version());
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);

  const auto missed = Process(Order(2));
  ASSERT_OK(missed);
  grpc::ClientContext resumed_context;
  ::saga::v1::WatchSagasRequest resume;
  resume.set_resume_token(ended.resume_token());
  auto resumed = sagas_->WatchSagas(&resumed_context, resume);
  ::saga::v1::WatchSagasResponse change;
  do {
    ASSERT_TRUE(resumed->Read(&change));
  } while (change.saga().saga_id() != missed->saga_id());
  EXPECT_EQ(change.saga().state(), ::saga::v1::Saga::SUCCEEDED);
  hub_.Close();
  while (resumed->Read(&change)) {
  }
  EXPECT_EQ(resumed->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(GrpcServiceTest, AResumeTokenThatIsNoneIsRefused) {
  ::saga::v1::WatchSagasRequest request;
  request.set_resume_token("nonsense");
  EXPECT_THAT(WatchInVain(request), IsError(absl::StatusCode::kInvalidArgument, "INVALID_FIELD"));
}

}  // namespace
}  // namespace sagamesh::coordinator
