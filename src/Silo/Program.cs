using OrleansCache.Gateway.Hosting;
using OrleansCache.Silo;

return await ServerMain.RunAsync(new SiloCommandLine(), args, (server, given) =>
{
    var silo = SiloSettings.From(given, server);
    return connectionString => new SiloEngine(silo, connectionString);
});
