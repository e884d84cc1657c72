/* Everything that the generated cffi module has to see. */
#pragma once
#include "buffer.h"
#include "headers.h"
#include "message.h"
