#include "common/sql/open.h"
