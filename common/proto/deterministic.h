#ifndef SAGAMESH_COMMON_PROTO_DETERMINISTIC_H_
#define SAGAMESH_COMMON_PROTO_DETERMINISTIC_H_

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message_lite.h>

#include <string>

namespace sagamesh {

// The message's bytes, the same for equal messages of one program (maps in key order).
inline std::string SerializeDeterministic(const google::protobuf::MessageLite& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

}  // namespace sagamesh

#endif  // SAGAMESH_COMMON_PROTO_DETERMINISTIC_H_
