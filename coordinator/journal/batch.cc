#include "coordinator/journal/batch.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/fault/planted.h"
#include "common/status/error.h"
#include "coordinator/journal/record.h"

namespace sagamesh::journal {
namespace {

constexpr int kSweepPageSagas = 256;

// The next state of `write` is what `saga` already holds: an earlier, unknown COMMIT of it succeeded.
bool IsWritten(const SagaRow& saga, const SagaRecord& next) {
  return saga.readable && saga.record.owner == next.owner && saga.record.epoch == next.epoch &&
         saga.record.version == next.version + 1 && saga.record.phase == next.phase &&
         saga.record.stuck == next.stuck && EncodeRecord(saga.record) == EncodeRecord(next);
}

}  // namespace

Batch::Batch(const JournalOptions& options, Replica& replica, sql::Connection& connection,
             absl::Span<Operation* const> operations)
    : options_(options), replica_(replica), connection_(connection), operations_(operations) {}

absl::StatusOr<BatchEffect> Batch::Run() {
  for (Operation* operation : operations_) {
    operation->status = absl::OkStatus();
    operation->changed.clear();
  }
  absl::StatusOr<std::string> lease = HoldLease(connection_, replica_);
  if (absl::IsFailedPrecondition(lease.status())) {
    for (Operation* operation : operations_) {
      if (!std::holds_alternative<ReleaseOperation>(operation->what)) {
        operation->status =
            MakeError(absl::StatusCode::kUnavailable, {"coordinator", "SHUTTING_DOWN"}, lease.status().message());
      }
    }
    return BatchEffect::kNothing;
  }
  if (!lease.ok()) return lease.status();
  incarnation_ = *std::move(lease);
  const SagaVersions::Map doubted = replica_.doubted().All();
  operations_.front()->made.insert(doubted.begin(), doubted.end());
  SAGAMESH_RETURN_IF_ERROR(Load());
  TakeStamp();
  PublishMade();
  for (Operation* operation : operations_) {
    std::visit([this, operation](auto& what) { Apply(*operation, what); }, operation->what);
  }
  return Save();
}

absl::Status Batch::Load() {
  std::set<std::string> hashes;  // of keys
  std::set<std::string> ids;
  std::vector<const SagaRecord*> unseen;
  for (Operation* operation : operations_) {
    for (const auto& [id, version] : operation->made) ids.insert(id);
    if (const auto* start = std::get_if<StartOperation>(&operation->what)) {
      hashes.insert(start->key_hash);
    } else if (const auto* write = std::get_if<WriteOperation>(&operation->what)) {
      if (MayGoUnseen(*operation, *write)) {
        unseen.push_back(&write->saga);
      } else {
        ids.insert(write->saga.saga_id);
      }
    } else if (const auto* load = std::get_if<LoadDueOperation>(&operation->what)) {
      std::vector<std::string> due;
      SAGAMESH_RETURN_IF_ERROR(FindDue(*load, due));
      ids.insert(due.begin(), due.end());
    } else if (auto* sweep = std::get_if<SweepOperation>(&operation->what)) {
      sweep->lost = replica_.lost().All();
      for (const auto& [id, version] : sweep->lost) ids.insert(id);
    } else if (const auto* command = std::get_if<CommandOperation>(&operation->what)) {
      ids.insert(command->saga_id);
    }
  }
  SAGAMESH_ASSIGN_OR_RETURN(keys_, LoadKeys(connection_, hashes));
  for (const auto& [hash, key] : keys_) {
    if (!key.row.saga_id.empty()) ids.insert(key.row.saga_id);
  }
  SAGAMESH_ASSIGN_OR_RETURN(sagas_, LoadSagas(connection_, ids));
  for (const SagaRecord* saga : unseen) {
    SagaRow row{.open_owner = saga->owner, .unseen = true};
    row.record.owner = saga->owner;
    row.record.epoch = saga->epoch;
    row.record.version = saga->version;
    row.record.created = saga->created;
    sagas_.try_emplace(saga->saga_id, std::move(row));
  }
  return absl::OkStatus();
}

// In its first run, by its owner: what the owner last knew is what is there, unless a command or a takeover came
// between, which the write itself finds out.
bool Batch::MayGoUnseen(const Operation& operation, const WriteOperation& write) const {
  return WritesUnseen(connection_) && operation.made.empty() && write.saga.owner == incarnation_;
}

void Batch::TakeStamp() {
  const auto stamp = std::make_shared<const Stamp>(replica_);
  for (Operation* operation : operations_) {
    if (operation->stamp == nullptr) operation->stamp = stamp;
  }
  stamp_ms_ = stamp->ms();
  now_ = absl::FromUnixMillis(stamp_ms_);
}

void Batch::PublishMade() {
  for (Operation* operation : operations_) {
    for (const auto& [id, version] : operation->made) {
      const auto found = sagas_.find(id);
      if (found == sagas_.end() || found->second.record.version != version) continue;
      operation->changed.push_back(found->second.record);
    }
  }
}

absl::Status Batch::FindDue(const LoadDueOperation& load, std::vector<std::string>& ids) {
  for (const auto& [id, version] : load.chosen) ids.push_back(id);
  const sql::Value parameters[] = {incarnation_, replica_.NowMs(), int64_t{load.limit}};
  const auto rows = connection_.Query(
      "SELECT saga_id, due_ms FROM sagas WHERE open_owner = ? AND due_ms <= ? ORDER BY due_ms, saga_id LIMIT ?",
      parameters);
  if (!rows.ok()) return rows.status();
  for (const sql::Row& row : *rows) {
    ids.push_back(row.Text(0));
    due_ms_[row.Text(0)] = row.Int(1);
  }
  return absl::OkStatus();
}

void Batch::Touch(SagaRow& saga, Operation& operation) {
  saga.record.version++;
  saga.record.updated = std::max(saga.record.updated, now_);  // a peer's clock may be ahead of ours
  saga.dirty = true;
  operation.changed.push_back(saga.record);
  operation.made[saga.record.saga_id] = saga.record.version;
}

bool Batch::IsOurs(const SagaRow& saga) const { return saga.open_owner == incarnation_; }

void Batch::Apply(Operation& operation, StartOperation& start) {
  start.attempted = true;
  // An earlier run of this batch was committed after all; the saga may have been taken over since, and have ended.
  if (const auto own = sagas_.find(start.saga.saga_id); own != sagas_.end()) {
    const SagaRecord& record = own->second.record;
    const bool untouched = IsOurs(own->second) && record.version == 1;
    start.claimed = Claimed{untouched ? ClaimOutcome::kStarted : ClaimOutcome::kAttached, record};
    return;
  }
  StoredKey& key = keys_[start.key_hash];
  const auto holder = sagas_.find(key.row.saga_id);
  const SagaRecord* held = holder == sagas_.end() ? nullptr : &holder->second.record;
  const ClaimOutcome outcome = DecideClaim(key.row, held, start.saga, now_, options_.content_key_window);
  if (outcome == ClaimOutcome::kReused) {
    // The key's saga may be gone; what the caller must know is the key.
    start.claimed = Claimed{outcome, held != nullptr ? *held : start.saga};
    return;
  }
  if (outcome != ClaimOutcome::kStarted) {
    start.claimed = Claimed{outcome, *held};
    return;
  }
  SagaRow saga;
  saga.record = start.saga;
  saga.record.owner = incarnation_;
  saga.record.epoch = 1;
  saga.record.version = 0;
  saga.record.takeovers = 0;
  saga.record.created = now_;
  saga.open_owner = incarnation_;
  saga.unseen = WritesUnseen(connection_);
  Touch(saga, operation);
  start.claimed = Claimed{outcome, saga.record};
  key.claimant = &start.saga;
  key.row = {.fingerprint = start.saga.fingerprint, .saga_id = start.saga.saga_id};
  sagas_[start.saga.saga_id] = std::move(saga);
}

void Batch::Apply(Operation& operation, WriteOperation& write) {
  write.outcome = WriteOutcome::kFenced;
  write.instead.reset();
  const auto found = sagas_.find(write.saga.saga_id);
  if (found == sagas_.end()) {
    write.instead = write.saga;
    return;
  }
  SagaRow& saga = found->second;
  if (IsWritten(saga, write.saga)) {
    write.outcome = WriteOutcome::kWritten;
    write.instead = saga.record;
    return;
  }
  const bool fenced = !IsOurs(saga) || saga.record.owner != write.saga.owner || saga.record.epoch != write.saga.epoch ||
                      saga.record.version != write.saga.version;
  if (fenced && !Planted(Bug::kSkipFence)) {
    write.instead = saga.record;
    return;
  }
  const absl::Time created = saga.record.created;
  saga.record = write.saga;
  saga.record.created = created;
  saga.record.takeovers = 0;
  saga.readable = true;
  const bool open = !engine::IsFinal(write.saga.phase) && write.saga.phase != Phase::kParked;
  saga.open_owner = open ? std::optional<std::string>(incarnation_) : std::nullopt;
  saga.due_ms.reset();
  if (open && write.due.has_value()) saga.due_ms = absl::ToUnixMillis(*write.due);
  Touch(saga, operation);
  write.outcome = WriteOutcome::kWritten;
}

void Batch::Apply(Operation& operation, LoadDueOperation& load) {
  load.loaded.clear();
  std::vector<SagaRow*> loaded;
  for (auto& [id, saga] : sagas_) {
    if (!IsOurs(saga)) continue;
    const auto chosen = load.chosen.find(id);
    if (chosen != load.chosen.end() && saga.record.version == chosen->second && !saga.due_ms.has_value()) {
      // Taken by an earlier run whose COMMIT was unknown.
      loaded_.insert(id);
      load.loaded.push_back(saga.record);
      continue;
    }
    if (saga.due_ms.has_value() && *saga.due_ms <= stamp_ms_ && due_ms_.contains(id)) loaded.push_back(&saga);
  }
  std::sort(loaded.begin(), loaded.end(), [](const SagaRow* a, const SagaRow* b) {
    return std::tie(a->due_ms, a->record.saga_id) < std::tie(b->due_ms, b->record.saga_id);
  });
  for (SagaRow* saga : loaded) {
    if (load.loaded.size() >= static_cast<size_t>(load.limit)) break;
    saga->due_ms.reset();
    if (!saga->readable) {
      saga->open_owner.reset();
      Touch(*saga, operation);
      continue;
    }
    Touch(*saga, operation);
    loaded_.insert(saga->record.saga_id);
    load.chosen[saga->record.saga_id] = saga->record.version;
    load.loaded.push_back(saga->record);
  }
}

void Batch::Apply(Operation& operation, SweepOperation& sweep) {
  sweep.due = 0;
  sweep.more = false;
  for (const auto& [id, version] : sweep.lost) {
    const auto found = sagas_.find(id);
    if (found == sagas_.end() || !IsOurs(found->second) || loaded_.contains(id)) continue;
    if (found->second.record.version != version || found->second.due_ms.has_value()) continue;
    found->second.due_ms = stamp_ms_;
    Touch(found->second, operation);
    sweep.due++;
  }
}

void Batch::Apply(Operation& operation, CommandOperation& command) {
  command.commanded = {engine::CommandOutcome::kNotFound, std::nullopt};
  const auto found = sagas_.find(command.saga_id);
  if (found == sagas_.end()) return;
  SagaRow& saga = found->second;
  if (!saga.readable) {
    command.commanded.outcome = engine::CommandOutcome::kUnreadable;
  } else if (engine::IsApplied(command.command, saga.record)) {
    command.commanded.outcome = engine::CommandOutcome::kDone;  // by an earlier, unknown COMMIT
  } else {
    command.commanded.outcome =
        engine::Apply(command.command, incarnation_, std::max(saga.record.updated, now_), saga.record);
    if (command.commanded.outcome == engine::CommandOutcome::kDone) {
      saga.open_owner = incarnation_;
      saga.due_ms = stamp_ms_;
      Touch(saga, operation);
    }
  }
  command.commanded.saga = saga.record;
}

void Batch::Apply(Operation& operation, ReleaseOperation& release) { release_ = true; }

absl::StatusOr<BatchEffect> Batch::Save() {
  SAGAMESH_ASSIGN_OR_RETURN(const int keys, SaveKeys(connection_, keys_, stamp_ms_));
  SAGAMESH_ASSIGN_OR_RETURN(const int sagas, SaveSagas(connection_, sagas_));
  wrote_ |= keys + sagas > 0;
  SAGAMESH_RETURN_IF_ERROR(Sweep());
  if (release_) {
    SAGAMESH_RETURN_IF_ERROR(GiveUpLease(connection_, replica_));
    wrote_ = true;
  }
  return wrote_ ? BatchEffect::kWrote : BatchEffect::kNothing;
}

absl::Status Batch::Sweep() {
  if (!replica_.sweep_wanted()) return absl::OkStatus();
  for (Operation* operation : operations_) {
    auto* sweep = std::get_if<SweepOperation>(&operation->what);
    if (sweep == nullptr) continue;
    SAGAMESH_ASSIGN_OR_RETURN(const Taken taken, TakeOver(connection_, incarnation_, stamp_ms_, kSweepPageSagas));
    operation->changed.insert(operation->changed.end(), taken.sagas.begin(), taken.sagas.end());
    for (const SagaRecord& record : taken.sagas) operation->made[record.saga_id] = record.version;
    sweep->due += static_cast<int>(taken.sagas.size());
    sweep->more = taken.more;
    wrote_ |= !taken.sagas.empty();
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

}  // namespace sagamesh::journal
