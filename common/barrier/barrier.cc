#include "common/barrier/barrier.h"
