#ifndef SAGAMESH_ORDERS_SERVICE_CRASH_POINTS_H_
#define SAGAMESH_ORDERS_SERVICE_CRASH_POINTS_H_

#include <string>
#include <vector>

namespace sagamesh::orders::crash_point {

// Between two effects of one call, each durable by itself. tests/chaos/crash_windows_test.py dies at each.
inline constexpr char kPending[] = "pending";                 // a direct order is PENDING; nothing is reserved
inline constexpr char kReservedDirect[] = "reserved-direct";  // its stock is reserved; it is still PENDING
inline constexpr char kReserved[] = "reserved";               // a saga's stock is reserved; there is no order
inline constexpr char kCommitted[] = "committed";             // the reservation is sold; the order is not CONFIRMED
inline constexpr char kCancelling[] = "cancelling";           // the order is CANCELLING; nothing is released
inline constexpr char kReleased[] = "released";               // the stock is back; the order is not CANCELLED

inline std::vector<std::string> All() {
  return {kPending, kReservedDirect, kReserved, kCommitted, kCancelling, kReleased};
}

}  // namespace sagamesh::orders::crash_point

#endif  // SAGAMESH_ORDERS_SERVICE_CRASH_POINTS_H_
