#include "tests/simulation/stepped_database.h"

#include <functional>
#include <utility>

#include "common/status/error.h"
#include "tests/simulation/process.h"
#include "tests/simulation/scheduler.h"
#include "tests/simulation/storage.h"
#include "tests/simulation/temp_dir.h"

namespace sagamesh::simulation {
namespace {

// What a database and its connections share. The connections may outlive the database.
struct World {
  World() { process.Start(); }

  // Runs `body` on a fibre, to its end.
  void Run(const std::function<void()>& body) {
    bool done = false;
    scheduler.Spawn([&body, &done] {
      body();
      done = true;
    });
    while (!done) scheduler.Step();
  }

  TempDir directory;
  Scheduler scheduler{1};
  Storage storage{scheduler, "stepped", directory.path(), 1};
  Process process{scheduler, "stepped", [](Life&) {}};
  std::unique_ptr<sql::Database> database = nullptr;
};

class SteppedConnection final : public sql::Connection {
 public:
  SteppedConnection(std::shared_ptr<World> world, std::unique_ptr<sql::Connection> inner)
      : world_(std::move(world)), inner_(std::move(inner)) {}

  sql::Dialect dialect() const override { return inner_->dialect(); }
  bool alive() const override { return inner_->alive(); }

  absl::Status Begin() override {
    return Step<absl::Status>([this] { return inner_->Begin(); });
  }
  absl::Status Commit() override {
    return Step<absl::Status>([this] { return inner_->Commit(); });
  }
  absl::Status Rollback() override {
    return Step<absl::Status>([this] { return inner_->Rollback(); });
  }
  absl::StatusOr<int64_t> Execute(absl::string_view statement, absl::Span<const sql::Value> parameters) override {
    return Step<absl::StatusOr<int64_t>>([&] { return inner_->Execute(statement, parameters); });
  }
  absl::StatusOr<std::vector<sql::Row>> Query(absl::string_view statement,
                                              absl::Span<const sql::Value> parameters) override {
    return Step<absl::StatusOr<std::vector<sql::Row>>>([&] { return inner_->Query(statement, parameters); });
  }

 private:
  template <typename Result>
  Result Step(const std::function<Result()>& call) {
    Result result = absl::UnknownError("not run");
    world_->Run([&] { result = call(); });
    return result;
  }

  const std::shared_ptr<World> world_;
  const std::unique_ptr<sql::Connection> inner_;
};

class SteppedDatabase final : public sql::Database {
 public:
  SteppedDatabase() : world_(std::make_shared<World>()) {
    world_->database = world_->storage.Open(*world_->process.life());
  }

  sql::Dialect dialect() const override { return world_->database->dialect(); }
  int max_writers() const override { return world_->database->max_writers(); }
  absl::StatusOr<std::unique_ptr<sql::Connection>> Connect(sql::Access access) override {
    absl::StatusOr<std::unique_ptr<sql::Connection>> inner = absl::UnknownError("not run");
    world_->Run([&] { inner = world_->database->Connect(access); });
    if (!inner.ok()) return inner.status();
    return std::make_unique<SteppedConnection>(world_, *std::move(inner));
  }

 private:
  const std::shared_ptr<World> world_;
};

}  // namespace

std::unique_ptr<sql::Database> MakeSteppedDatabase() { return std::make_unique<SteppedDatabase>(); }

}  // namespace sagamesh::simulation
