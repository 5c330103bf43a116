#include "common/sql/migrations.h"
