SELECT secret FROM webhook_secret WHERE webhook = $1
