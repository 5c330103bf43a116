// What callers share a COMMIT costs, and what becomes of one whose outcome is unknown.

#include <atomic>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/exec/in_flight.h"
#include "common/exec/mutex.h"
#include "customers/service/logic_fixture_test.h"

namespace sagamesh::customers {
namespace {

namespace pb = ::customers::v1;
using absl::StatusCode;
using testing::Counted;
using testing::HasCode;

using CustomersGroupCommitTest = testing::CustomersLogicTest;

TEST_P(CustomersGroupCommitTest, OneCallerCostsOneCommitAWriteAndNoneForARefusal) {
  int commits = database_.commits();
  ASSERT_OK(Reserve("o", {{"a", 2}}));
  EXPECT_EQ(database_.commits(), ++commits);
  EXPECT_THAT(Reserve("o2", {{"a", 200}}), HasCode(StatusCode::kFailedPrecondition));
  EXPECT_THAT(Create("a", 1), HasCode(StatusCode::kAlreadyExists));
  EXPECT_EQ(database_.commits(), commits);
}

TEST_P(CustomersGroupCommitTest, AnUnknownCommitIsRunAgainWithoutASecondEffect) {
  const auto forget = [&] { database_.ScriptCommit(absl::UnknownError("lost"), /*happens=*/true); };
  forget();
  ASSERT_OK(Restock("a", 5));
  EXPECT_FALSE(info_.replayed) << "the stored result is its own";
  forget();
  ASSERT_OK(Create("c", 1));
  forget();
  ASSERT_OK(Reserve("o", {{"a", 1}}));
  forget();
  ASSERT_OK(Commit("o"));
  forget();
  ASSERT_OK(Reserve("o2", {{"a", 2}}, Saga(NewSaga(), "create_order")));
  EXPECT_FALSE(info_.replayed);
  forget();
  pb::CreateCustomerRequest customer;
  customer.set_name("Bob");
  EXPECT_EQ(Call(&CustomersLogic::CreateCustomer, {}, customer)->customer().customer_id(), 2u);
  EXPECT_EQ(Counts("a"), (Counted{12, 2, 1}));
  EXPECT_EQ(database_.commits_to_come(), 0u);
}

TEST_P(CustomersGroupCommitTest, AThousandCallersOfAHotSkuGetExactlyWhatThereIs) {
  constexpr int kCallers = 1000;
  constexpr int kStock = 600;
  ASSERT_OK(Create("hot", kStock));
  InFlight in_flight;
  std::atomic<int> reserved{0};
  std::atomic<int> refused{0};
  const int commits = database_.commits();
  for (int i = 0; i < kCallers; i++) {
    in_flight.Begin();
    const CallContext context = i % 2 == 0 ? Saga(NewSaga(), "create_order") : CallContext();
    logic_->ReserveStock(context, ReserveRequest(absl::StrCat("o", i), {{"hot", 1}}),
                         [&](absl::StatusOr<pb::ReserveStockResponse> response, ReplyInfo) {
                           const bool lacks = GetReason(response.status()) == "INSUFFICIENT_STOCK";
                           if (response.ok()) reserved++;
                           if (lacks) refused++;
                           in_flight.End();
                         });
  }
  in_flight.WaitForNone();
  EXPECT_EQ(reserved, kStock);
  EXPECT_EQ(refused, kCallers - kStock);
  EXPECT_EQ(Counts("hot"), (Counted{0, kStock, 0}));
  EXPECT_LT(database_.commits() - commits, kCallers / 4) << "they share commits";
}

TEST_P(CustomersGroupCommitTest, DuplicatesInOneBatchHaveOneEffect) {
  const std::string saga = NewSaga();
  InFlight in_flight;
  Mutex mutex;
  std::set<std::string> answers;
  for (int i = 0; i < 100; i++) {
    in_flight.Begin();
    logic_->ReserveStock(Saga(saga, "create_order"), ReserveRequest("o", {{"a", 3}}),
                         [&](absl::StatusOr<pb::ReserveStockResponse> response, ReplyInfo) {
                           {
                             MutexLock lock(mutex);
                             answers.insert(response.ok() ? response->SerializeAsString() : "refused");
                           }
                           in_flight.End();
                         });
  }
  in_flight.WaitForNone();
  EXPECT_EQ(answers.size(), 1u);
  EXPECT_EQ(Counts("a"), (Counted{7, 3, 0}));
}

INSTANTIATE_TEST_SUITE_P(Engines, CustomersGroupCommitTest, ::testing::Values(testing::SqliteEngine()),
                         testing::EngineName);
INSTANTIATE_TEST_SUITE_P(Servers, CustomersGroupCommitTest, ::testing::ValuesIn(testing::ServerEngines()),
                         testing::EngineName);

}  // namespace
}  // namespace sagamesh::customers
