#include "common/sql/counted.h"

#include <utility>

namespace sagamesh::sql {

class CountedDatabase::CountedConnection final : public Connection {
 public:
  CountedConnection(CountedDatabase& database, std::unique_ptr<Connection> inner)
      : database_(database), inner_(std::move(inner)) {}

  Dialect dialect() const override { return inner_->dialect(); }
  bool alive() const override { return inner_->alive(); }

  absl::Status Begin() override {
    return Counted([&] { return inner_->Begin(); });
  }
  absl::Status Commit() override {
    return Counted([&] { return inner_->Commit(); });
  }
  absl::Status Rollback() override {
    return Counted([&] { return inner_->Rollback(); });
  }
  absl::StatusOr<int64_t> Execute(absl::string_view statement, absl::Span<const Value> parameters) override {
    return Counted([&] { return inner_->Execute(statement, parameters); });
  }
  absl::StatusOr<std::vector<Row>> Query(absl::string_view statement, absl::Span<const Value> parameters) override {
    return Counted([&] { return inner_->Query(statement, parameters); });
  }

 private:
  static const absl::Status& StatusOf(const absl::Status& status) { return status; }
  template <typename T>
  static const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
    return result.status();
  }

  template <typename Call>
  auto Counted(Call call) -> decltype(call()) {
    const bool asks = inner_->alive();  // a dead connection answers by itself
    auto result = call();
    if (asks) database_.Count(StatusOf(result));
    return result;
  }

  CountedDatabase& database_;
  const std::unique_ptr<Connection> inner_;
};

CountedDatabase::CountedDatabase(std::unique_ptr<Database> inner, metrics::Registry& registry)
    : inner_(std::move(inner)),
      statements_(registry.Counter("sagamesh_db_statements_total",
                                   "Round trips to the database: statements, BEGIN, COMMIT and ROLLBACK too.")) {}

CountedDatabase::Finding CountedDatabase::TakeFinding() {
  const bool failed = failed_.exchange(false);
  const bool answered = answered_.exchange(false);
  if (failed) return Finding::kDoubt;
  return answered ? Finding::kAnswered : Finding::kNothing;
}

absl::StatusOr<std::unique_ptr<Connection>> CountedDatabase::Connect(Access access) {
  absl::StatusOr<std::unique_ptr<Connection>> inner = inner_->Connect(access);
  Count(inner.status());
  if (!inner.ok()) return inner.status();
  return std::make_unique<CountedConnection>(*this, *std::move(inner));
}

absl::StatusOr<bool> CountedDatabase::Check() {
  absl::StatusOr<bool> asked = inner_->Check();
  if (!asked.ok() || *asked) Count(asked.status());
  return asked;
}

void CountedDatabase::Count(const absl::Status& status) {
  statements_.Increment();
  (status.ok() ? answered_ : failed_).store(true, std::memory_order_relaxed);
}

}  // namespace sagamesh::sql
