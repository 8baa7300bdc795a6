module reprotect.example/schemas

go 1.26
