"""What a ``.wasm`` file says about itself, read from its bytes with no virtual machine.

Covers what a host wants to know before it compiles: version of the ABI, imports, exports, memories, names,
producers, the toolchain. That a file is read without error does not make it valid: the engine's validator
has the last word.
"""

from abi.wasmfile.file import WasmFile
from abi.wasmfile.reader import Limits, WasmFileError
from abi.wasmfile.sections import Export, ExternKind, Import
from abi.wasmfile.toolchain import Toolchain

__all__ = ["Export", "ExternKind", "Import", "Limits", "Toolchain", "WasmFile", "WasmFileError"]
