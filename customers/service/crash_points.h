#ifndef SAGAMESH_CUSTOMERS_SERVICE_CRASH_POINTS_H_
#define SAGAMESH_CUSTOMERS_SERVICE_CRASH_POINTS_H_

#include <string>
#include <vector>

namespace sagamesh::customers::crash_point {

// Either side of the COMMIT of a method's write, each as POINT/METHOD. tests/chaos/crash_windows_test.py dies at each.
inline constexpr char kBeforeCommit[] = "before-commit";  // all is written; nothing is durable
inline constexpr char kAfterCommit[] = "after-commit";    // all is durable; nobody was answered

// By the order of StockCommand's alternatives.
inline constexpr const char* kMethods[] = {"reserve", "commit",         "release",
                                           "restock", "create-product", "create-customer"};

inline std::vector<std::string> All() {
  std::vector<std::string> points;
  for (const std::string method : kMethods) {
    points.push_back(kBeforeCommit + ("/" + method));
    points.push_back(kAfterCommit + ("/" + method));
  }
  return points;
}

}  // namespace sagamesh::customers::crash_point

#endif  // SAGAMESH_CUSTOMERS_SERVICE_CRASH_POINTS_H_
