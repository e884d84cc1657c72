/* Everything that the generated cffi module has to see. */
#pragma once
#include "buffer.h"
#include "clock.h"
#include "delivery.h"
#include "engine.h"
#include "faces.h"
#include "headers.h"
#include "linker.h"
#include "logs.h"
#include "message.h"
#include "native.h"
#include "stream.h"
#include "vm.h"
