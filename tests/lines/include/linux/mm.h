#include "../world.h"
