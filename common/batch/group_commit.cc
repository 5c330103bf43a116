#include "common/batch/group_commit.h"
