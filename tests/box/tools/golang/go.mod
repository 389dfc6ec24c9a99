module loopback

go 1.21
