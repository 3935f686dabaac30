#include "../../world.h"
