// Package node tells about the gateway.
package node

import "github.com/Kong/go-pdk/bridge"

// Node is kong.Node.
type Node struct{ bridge.PdkBridge }

type workerLuaVmStats struct {
	HttpAllocatedGc int64 `json:"http_allocated_gc"`
	Pid             int64 `json:"pid"`
}

// MemoryStats is what Kong tells of the memory of its workers.
type MemoryStats struct {
	LuaSharedDicts struct {
		Kong struct {
			AllocatedSlabs int64 `json:"allocated_slabs"`
			Capacity       int64 `json:"capacity"`
		} `json:"kong"`
		KongDbCache struct {
			AllocatedSlabs int64 `json:"allocated_slabs"`
			Capacity       int64 `json:"capacity"`
		} `json:"kong_db_cache"`
	} `json:"lua_shared_dicts"`
	WorkersLuaVms []workerLuaVmStats `json:"workers_lua_vms"`
}

// GetId returns the node's id of the gateway's configuration; empty without one.
func (n Node) GetId() (string, error) { return n.Exchange.Text("xds", "node", "id"), nil }

// GetMemoryStats is not supported: there is no Lua here.
func (n Node) GetMemoryStats() (MemoryStats, error) {
	return MemoryStats{}, bridge.Unsupported("kong.node.get_memory_stats")
}
