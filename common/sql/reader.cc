#include "common/sql/reader.h"
