#include "common/rpc/status.h"

#include "common/status/error.h"

namespace sagamesh::rpc {

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.raw_code()), std::string(status.message()),
                      SerializeStatus(status));
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status details;
  // The details are trusted only where they tell the same story as the status itself.
  if (details.ParseFromString(status.error_details()) && details.code() == status.error_code()) {
    return FromProto(details);
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace sagamesh::rpc
