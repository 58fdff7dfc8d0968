using OrleansCache.Gateway.Hosting;

return await ServerMain.RunAsync(new CommandLine(), args);
