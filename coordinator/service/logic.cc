#include "coordinator/service/logic.h"

#include <spdlog/spdlog.h>

#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/paging/paging.h"
#include "common/rpc/step_context.h"
#include "common/status/error.h"
#include "common/text/text.h"
#include "coordinator/service/errors.h"
#include "coordinator/service/fingerprint.h"
#include "coordinator/service/saga_view.h"

namespace sagamesh::coordinator {
namespace {

namespace pb = ::saga::v1;

constexpr absl::string_view kWatchList = "changes";
// An error repeats what was not found, and must fit a reply's trailing metadata.
constexpr int kDefinitionCharactersMax = 128;
constexpr int kSagaIdCharactersMax = 64;
constexpr int kReasonCharactersMax = 1024;

absl::StatusOr<runtime::Runtime::Request> MakeRequest(const engine::Definition& definition, const std::string& input,
                                                      const CallContext& call) {
  if (call.saga.has_value()) return error::SagaMetadataNotAllowed();
  runtime::Runtime::Request request;
  request.definition = &definition;
  SAGAMESH_ASSIGN_OR_RETURN(request.input, definition.canonicalize(input));
  request.fingerprint = Fingerprint(definition.name, request.input, call.fault);
  request.call = call;
  return request;
}

// The bytes that the saga stored, as the caller's answer.
absl::StatusOr<::coordinator::v1::ProcessOrderResponse> ReadAnswer(const runtime::Answer& answer) {
  if (answer.succeeded) {
    ::coordinator::v1::ProcessOrderResponse response;
    if (response.ParseFromString(answer.bytes)) return response;
  } else {
    google::rpc::Status status;
    if (status.ParseFromString(answer.bytes) && status.code() != 0) return FromProto(status);
  }
  spdlog::error("saga {}: its stored answer cannot be read", answer.saga_id);
  return InternalFailure(kDomain);
}

// "coordinator.v1.ProcessOrderRequest" of "type.googleapis.com/coordinator.v1.ProcessOrderRequest".
absl::string_view TypeOf(const google::protobuf::Any& any) {
  const absl::string_view url = any.type_url();
  const size_t slash = url.rfind('/');
  return slash == absl::string_view::npos ? absl::string_view() : url.substr(slash + 1);
}

absl::StatusOr<std::optional<engine::Phase>> PhaseOf(pb::Saga::State state) {
  switch (state) {
    case pb::Saga::STATE_UNSPECIFIED:
      return std::optional<engine::Phase>();
    case pb::Saga::RUNNING:
      return std::optional(engine::Phase::kRunning);
    case pb::Saga::COMPENSATING:
      return std::optional(engine::Phase::kCompensating);
    case pb::Saga::PARKED:
      return std::optional(engine::Phase::kParked);
    case pb::Saga::SUCCEEDED:
      return std::optional(engine::Phase::kSucceeded);
    case pb::Saga::COMPENSATED:
      return std::optional(engine::Phase::kCompensated);
    default:
      return InvalidField(kDomain, "state", "is not a state");
  }
}

// The list that a page token belongs to.
std::string ListName(const pb::ListSagasRequest& request) {
  return absl::StrCat("sagas/", absl::CEscape(request.definition()), "/", static_cast<int>(request.state()), "/",
                      absl::CEscape(request.idempotency_key()), "/", request.stuck());
}

// Keys are the caller's own, of one definition or, if it names none, of any that there is here.
journal::ListFilter::Key MakeKey(const engine::DefinitionSet& definitions, const CallContext& call,
                                 const pb::ListSagasRequest& request) {
  journal::ListFilter::Key key{request.idempotency_key(), call.principal};
  if (!request.definition().empty()) {
    key.definitions.push_back(request.definition());
  } else {
    definitions.ForEach([&key](const engine::Definition& known) { key.definitions.push_back(known.name); });
  }
  return key;
}

absl::StatusOr<journal::ListFilter> MakeFilter(const engine::DefinitionSet& definitions, const CallContext& call,
                                               const pb::ListSagasRequest& request) {
  if (call.saga.has_value()) return error::SagaMetadataNotAllowed();
  SAGAMESH_RETURN_IF_ERROR(CheckOptionalText(kDomain, "definition", request.definition(), kDefinitionCharactersMax));
  SAGAMESH_RETURN_IF_ERROR(CheckOptionalText(kDomain, "idempotency_key", request.idempotency_key(),
                                             static_cast<int>(rpc::kKeyCharactersMax)));
  journal::ListFilter filter;
  filter.definition = request.definition();
  SAGAMESH_ASSIGN_OR_RETURN(filter.phase, PhaseOf(request.state()));
  if (!request.idempotency_key().empty()) filter.key = MakeKey(definitions, call, request);
  filter.stuck = request.stuck();
  SAGAMESH_ASSIGN_OR_RETURN(filter.limit, PageSize(kDomain, request.page_size()));
  SAGAMESH_ASSIGN_OR_RETURN(const std::vector<std::string> position,
                            ReadPageToken(kDomain, "page_token", ListName(request), 1, request.page_token()));
  filter.before_saga_id = position[0];
  return filter;
}

}  // namespace

void OrderLogic::ProcessOrder(const CallContext& call, const ::coordinator::v1::ProcessOrderRequest& request,
                              Done<::coordinator::v1::ProcessOrderResponse> done) {
  const engine::Definition* definition = definitions_.Find("process_order");
  if (definition == nullptr) return done(error::DefinitionNotFound("process_order"), {});
  absl::StatusOr<runtime::Runtime::Request> wanted = MakeRequest(*definition, request.SerializeAsString(), call);
  if (!wanted.ok()) return done(wanted.status(), {});
  runtime_.Run(*std::move(wanted), [done = std::move(done)](absl::StatusOr<runtime::Answer> answer) mutable {
    if (!answer.ok()) return done(answer.status(), {});
    done(ReadAnswer(*answer), {.replayed = answer->replayed, .compensating = answer->compensating});
  });
}

void SagaLogic::StartSaga(const CallContext& call, const pb::StartSagaRequest& request,
                          Done<pb::StartSagaResponse> done) {
  const absl::Status valid = CheckText(kDomain, "definition", request.definition(), kDefinitionCharactersMax);
  if (!valid.ok()) return done(valid, {});
  const engine::Definition* definition = definitions_.Find(request.definition());
  if (definition == nullptr) return done(error::DefinitionNotFound(request.definition()), {});
  if (TypeOf(request.input()) != definition->input_type) {
    return done(InvalidField(kDomain, "input", absl::StrCat("must be a ", definition->input_type)), {});
  }
  absl::StatusOr<runtime::Runtime::Request> wanted = MakeRequest(*definition, request.input().value(), call);
  if (!wanted.ok()) return done(wanted.status(), {});
  runtime_.Start(*std::move(wanted), [this, done = std::move(done)](absl::StatusOr<journal::Claimed> claimed) mutable {
    if (!claimed.ok()) return done(claimed.status(), {});
    pb::StartSagaResponse response;
    *response.mutable_saga() = ToView(claimed->saga, definitions_);
    done(std::move(response), {.replayed = claimed->outcome == journal::ClaimOutcome::kReplayed});
  });
}

void SagaLogic::GetSaga(const CallContext& call, const pb::GetSagaRequest& request, Done<pb::GetSagaResponse> done) {
  if (call.saga.has_value()) return done(error::SagaMetadataNotAllowed(), {});
  const absl::Status valid = CheckText(kDomain, "saga_id", request.saga_id(), kSagaIdCharactersMax);
  if (!valid.ok()) return done(valid, {});
  journal_.Get(request.saga_id(), [this, saga_id = request.saga_id(), done = std::move(done)](
                                      absl::StatusOr<std::optional<engine::SagaRecord>> record) mutable {
    if (!record.ok()) return done(record.status(), {});
    if (!record->has_value()) return done(error::SagaNotFound(saga_id), {});
    pb::GetSagaResponse response;
    *response.mutable_saga() = ToWholeView(**record, definitions_);
    done(std::move(response), {});
  });
}

void SagaLogic::ListSagas(const CallContext& call, const pb::ListSagasRequest& request,
                          Done<pb::ListSagasResponse> done) {
  absl::StatusOr<journal::ListFilter> filter = MakeFilter(definitions_, call, request);
  if (!filter.ok()) return done(filter.status(), {});
  const int page_size = filter->limit++;
  journal_.List(*std::move(filter), [this, page_size, list = ListName(request), done = std::move(done)](
                                        absl::StatusOr<std::vector<engine::SagaRecord>> records) mutable {
    if (!records.ok()) return done(records.status(), {});
    pb::ListSagasResponse response;
    if (CutPage(page_size, *records)) {
      response.set_next_page_token(MakePageToken(list, {records->back().saga_id}));
    }
    for (const engine::SagaRecord& record : *records) *response.add_sagas() = ToView(record, definitions_);
    done(std::move(response), {});
  });
}

void SagaLogic::RetrySaga(const CallContext& call, const pb::RetrySagaRequest& request,
                          Done<pb::RetrySagaResponse> done) {
  Command(engine::Command::Kind::kRetry, call, request, std::move(done));
}

void SagaLogic::CompensateSaga(const CallContext& call, const pb::CompensateSagaRequest& request,
                               Done<pb::CompensateSagaResponse> done) {
  Command(engine::Command::Kind::kCompensate, call, request, std::move(done));
}

template <typename Request, typename Response>
void SagaLogic::Command(engine::Command::Kind kind, const CallContext& call, const Request& request,
                        Done<Response> done) {
  if (call.saga.has_value()) return done(error::SagaMetadataNotAllowed(), {});
  absl::Status valid = CheckText(kDomain, "saga_id", request.saga_id(), kSagaIdCharactersMax);
  valid.Update(CheckText(kDomain, "reason", request.reason(), kReasonCharactersMax));
  if (!valid.ok()) return done(valid, {});
  engine::Command command{.kind = kind, .principal = call.principal, .reason = request.reason()};
  runtime_.Command(request.saga_id(), std::move(command), call.deadline,
                   [this, kind, request, done = std::move(done)](absl::StatusOr<journal::Commanded> commanded) mutable {
                     absl::Status status = commanded.status();
                     if (status.ok()) status = error::CommandRefused(commanded->outcome, request.saga_id());
                     spdlog::info("saga {}: {} for \"{}\": {}", request.saga_id(),
                                  kind == engine::Command::Kind::kRetry ? "retry" : "compensate", request.reason(),
                                  status.ok() ? "done" : std::string(status.message()));
                     if (!status.ok()) return done(std::move(status), {});
                     Response response;
                     *response.mutable_saga() = ToWholeView(*commanded->saga, definitions_);
                     done(std::move(response), {});
                   });
}

ChangeSource JournalChanges(journal::Journal& journal) {
  return {.peers = !journal.alone(),
          .find_oldest_untold_ms = [&journal](auto done) { journal.FindOldestUntoldMs(std::move(done)); },
          .read = [&journal](
                      int64_t updated_ms, std::string saga_id, int limit,
                      auto done) { journal.ListChangedSince(updated_ms, std::move(saga_id), limit, std::move(done)); }};
}

absl::StatusOr<std::shared_ptr<Watcher>> SagaLogic::WatchSagas(const CallContext& call,
                                                               const pb::WatchSagasRequest& request) {
  if (call.saga.has_value()) return error::SagaMetadataNotAllowed();
  SAGAMESH_RETURN_IF_ERROR(CheckOptionalText(kDomain, "saga_id", request.saga_id(), kSagaIdCharactersMax));
  SAGAMESH_RETURN_IF_ERROR(CheckOptionalText(kDomain, "definition", request.definition(), kDefinitionCharactersMax));
  std::optional<WatchPosition> resume_from;
  if (!request.resume_token().empty()) {
    SAGAMESH_ASSIGN_OR_RETURN(const std::vector<std::string> position,
                              ReadPageToken(kDomain, "resume_token", kWatchList, 1, request.resume_token()));
    resume_from.emplace();
    if (!absl::SimpleAtoi(position[0], &resume_from->updated_ms) || resume_from->updated_ms < 0) {
      return InvalidField(kDomain, "resume_token", "is not a token of this list");
    }
  }
  return hub_.Watch({.saga_id = request.saga_id(), .definition = request.definition()}, std::move(resume_from),
                    JournalChanges(journal_));
}

pb::WatchSagasResponse SagaLogic::ToWatchResponse(const WatchedChange& change) const {
  pb::WatchSagasResponse response;
  *response.mutable_saga() = ToView(change.saga, definitions_);
  response.set_resume_token(MakePageToken(kWatchList, {absl::StrCat(change.position.updated_ms)}));
  return response;
}

}  // namespace sagamesh::coordinator
