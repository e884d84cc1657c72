module 0sluiceway

go 1.24
