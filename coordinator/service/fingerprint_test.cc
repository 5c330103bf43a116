#include "coordinator/service/fingerprint.h"

#include <gtest/gtest.h>

namespace sagamesh::coordinator {
namespace {

TEST(FingerprintTest, EqualRequestsHaveEqualFingerprintsOf64HexDigits) {
  EXPECT_EQ(Fingerprint("a", "input", std::nullopt), Fingerprint("a", "input", std::nullopt));
  EXPECT_EQ(Fingerprint("a", "input", std::nullopt).size(), 64u);
}

TEST(FingerprintTest, DefinitionInputAndFaultAllCount) {
  const std::string plain = Fingerprint("a", "input", std::nullopt);
  EXPECT_NE(plain, Fingerprint("b", "input", std::nullopt));
  EXPECT_NE(plain, Fingerprint("a", "other", std::nullopt));
  const Fault fault{.method = "orders.v1.OrdersService/ConfirmOrder", .abort_code = 13};
  EXPECT_NE(plain, Fingerprint("a", "input", fault));
  Fault after = fault;
  after.after = true;
  EXPECT_NE(Fingerprint("a", "input", fault), Fingerprint("a", "input", after));
}

TEST(FingerprintTest, PartsDoNotRunIntoOneAnother) {
  EXPECT_NE(Fingerprint("ab", "c", std::nullopt), Fingerprint("a", "bc", std::nullopt));
}

}  // namespace
}  // namespace sagamesh::coordinator
