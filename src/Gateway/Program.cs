using OrleansCache.Gateway.Hosting;

return await ServerMain.RunAsync(args);
