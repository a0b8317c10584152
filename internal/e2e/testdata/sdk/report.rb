# Reports an error through the legacy store endpoint, as a service of years ago would.
require "raven"

Raven.configure do |config|
  config.dsn = ENV.fetch("SENTRY_DSN")
  config.release = "ledger@0.9"
  config.current_environment = "staging"
  config.environments = ["staging"]
  config.logger = Logger.new(nil)
end

def balance(account)
  Integer(account.fetch("balance"))
end

begin
  balance({ "balance" => "nothing" })
rescue ArgumentError => error
  event = Raven.capture_exception(error, tags: { "branch" => "north" })
  puts event.id
end
