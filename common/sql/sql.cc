#include "common/sql/sql.h"
