// The servers have a certificate of "ca.pem" for the name localhost, made by tests/databases/servers.py.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/sql/mysql.h"
#include "common/testing/sql_servers.h"
#include "common/testing/status_matchers.h"

namespace sagamesh::sql {
namespace {

using ::absl::StatusCode;
using ::sagamesh::testing::HasCode;
using ::sagamesh::testing::ScratchDatabase;
using ::sagamesh::testing::SqlServer;
using ::sagamesh::testing::SqlServers;
using ::testing::HasSubstr;

class MysqlTlsTest : public ::testing::TestWithParam<SqlServer> {
 protected:
  MysqlTlsTest() { options_.hosts[0].name = "localhost"; }

  static std::string Certificate(const std::string& name) {
    const char* directory = getenv("SAGAMESH_TEST_CERTIFICATES");
    return absl::StrCat(directory == nullptr ? "" : directory, "/", name);
  }

  absl::StatusOr<std::unique_ptr<Connection>> Connect() { return MakeMysqlDatabase(options_)->Connect(Access::kWrite); }

  // What encrypts a connection; "" if nothing does.
  std::string Cipher() {
    const std::unique_ptr<Database> database = MakeMysqlDatabase(options_);
    const auto connection = database->Connect(Access::kWrite);
    EXPECT_OK(connection);
    return connection.ok() ? (*(*connection)->Query("SHOW SESSION STATUS LIKE 'Ssl_cipher'"))[0].Text(1) : "none";
  }

  // Connects as a user whom the server lets in only so.
  absl::Status ConnectAsOneWhoMust(const std::string& requirement) {
    scratch_.Administer(absl::StrCat("CREATE USER 'guarded'@'%' IDENTIFIED BY 'x' REQUIRE ", requirement));
    scratch_.Administer(absl::StrCat("GRANT ALL ON ", options_.database, ".* TO 'guarded'@'%'"));
    options_.user = "guarded";
    options_.password = "x";
    const absl::Status status = Connect().status();
    scratch_.Administer("DROP USER 'guarded'@'%'");
    return status;
  }

  ScratchDatabase scratch_{GetParam()};
  MysqlOptions options_ = scratch_.options();
};

TEST_P(MysqlTlsTest, NothingIsEncryptedUnlessItIsAskedFor) { EXPECT_EQ(Cipher(), ""); }

TEST_P(MysqlTlsTest, RequiredIsEncryptedWhoeverAnswers) {
  options_.tls.mode = TlsMode::kRequired;
  EXPECT_NE(Cipher(), "");
  options_.hosts[0].name = "127.0.0.1";
  EXPECT_NE(Cipher(), "");
}

TEST_P(MysqlTlsTest, AServerThatInsistsOnTlsRefusesWhoHasNone) {
  EXPECT_THAT(ConnectAsOneWhoMust("SSL"), HasCode(StatusCode::kUnavailable));
  options_.tls.mode = TlsMode::kRequired;
  EXPECT_OK(ConnectAsOneWhoMust("SSL"));
}

TEST_P(MysqlTlsTest, VerifyIdentityTakesTheServerThatTheCertificateNames) {
  options_.tls = {TlsMode::kVerifyIdentity, Certificate("ca.pem")};
  EXPECT_NE(Cipher(), "");
}

TEST_P(MysqlTlsTest, VerifyIdentityRefusesAServerOfAnotherName) {
  options_.tls = {TlsMode::kVerifyIdentity, Certificate("ca.pem")};
  options_.hosts[0].name = "127.0.0.1";
  const absl::Status status = Connect().status();
  EXPECT_THAT(status, HasCode(StatusCode::kUnavailable));
  EXPECT_THAT(std::string(status.message()), HasSubstr("SSL"));
}

TEST_P(MysqlTlsTest, VerifyIdentityRefusesACertificateOfSomebodyElse) {
  for (const std::string& ca : {Certificate("other-ca.pem"), std::string()}) {
    options_.tls = {TlsMode::kVerifyIdentity, ca};
    const absl::Status status = Connect().status();
    EXPECT_THAT(status, HasCode(StatusCode::kUnavailable));
    EXPECT_THAT(std::string(status.message()), HasSubstr("certificate"));
  }
}

TEST_P(MysqlTlsTest, AFileThatIsNotThereIsTold) {
  options_.tls = {TlsMode::kVerifyIdentity, Certificate("no-such.pem")};
  EXPECT_THAT(std::string(Connect().status().message()), HasSubstr("o such file"));
}

TEST_P(MysqlTlsTest, ACertificateOfOurOwnIsShown) {
  options_.tls = {TlsMode::kVerifyIdentity, Certificate("ca.pem")};
  EXPECT_THAT(ConnectAsOneWhoMust("X509"), HasCode(StatusCode::kUnavailable));
  options_.tls.certificate = Certificate("server.pem");
  options_.tls.key = Certificate("server.key");
  EXPECT_OK(ConnectAsOneWhoMust("X509"));
}

INSTANTIATE_TEST_SUITE_P(Servers, MysqlTlsTest, ::testing::ValuesIn(SqlServers()),
                         [](const auto& info) { return info.param.name; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MysqlTlsTest);

}  // namespace
}  // namespace sagamesh::sql
