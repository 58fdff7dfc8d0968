using OrleansCache.Gateway.Hosting;
using OrleansCache.Silo;

return await ServerMain.RunAsync(new SiloCommandLine(), args, (server, given) =>
{
    var silo = SiloSettings.From(given, server);
    return (core, connectionString) => new SiloEngine(silo, core, connectionString);
});
