module reprotect.example/deploy/docs

go 1.26.0
