module sessiontool/scripts/packaging

go 1.26.0
