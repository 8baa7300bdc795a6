module reprotect.example/scripts/tools

go 1.26
