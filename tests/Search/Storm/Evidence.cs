using OrleansCache.Testing;

namespace OrleansCache.Storm;

/// <summary>What is left of a storm that found something.</summary>
internal static class Evidence
{
    public static async Task SaveAsync(string folder, PostgresServer postgres, string database, ObjectBucket bucket)
    {
        try
        {
            await File.WriteAllLinesAsync(Path.Combine(folder, "keys.txt"), (await bucket.KeysAsync()).Order(StringComparer.Ordinal));
            var name = database.Split(';').Single(part => part.StartsWith("Database=", StringComparison.Ordinal))["Database=".Length..];
            var dump = await ProcessRunner.RunAsync(
                "pg_dump", ["--host", postgres.SocketFolder, "--port", $"{postgres.Port}", "--username", "postgres", "--file",
                    Path.Combine(folder, "catalog.sql"), name]);
            if (dump.ExitCode != 0)
                await File.WriteAllTextAsync(Path.Combine(folder, "catalog.sql"), dump.Errors);
            await File.WriteAllTextAsync(Path.Combine(folder, "postgres.log"), postgres.Log);
        }
        catch (Exception e)
        {
            await File.WriteAllTextAsync(Path.Combine(folder, "evidence-failed.txt"), $"{e}");
        }
    }
}
