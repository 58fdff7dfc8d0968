using System.Text.Json.Nodes;
using Npgsql;

namespace OrleansCache.Bench.Gc;

/// <summary>A collection that a client asks a server for, in a catalog that <see cref="GraphFill"/> has filled.</summary>
internal static class ServerCollection
{
    // Younger than what GraphFill makes old.
    private const string Retention = "300h";

    public static Candidate Of(ServerLab lab, int nodes)
    {
        var fill = new GraphFill(nodes);
        return new Candidate("gc", lab, (server, url) => CollectAsync(lab, server, url))
        {
            PrepareAsync = server =>
                GcBench.FillAsync(new NpgsqlConnectionStringBuilder(server.Settings().ConnectionString)
                {
                    CommandTimeout =
                600
                }.ConnectionString, fill.WriteAsync),
            CheckAsync = server => CheckAsync(server, fill.Paths),
        };
    }

    private static async Task<ChildRun> CollectAsync(ServerLab lab, CacheServer server, string url)
    {
        var client = await ChildRun.RunAsync(lab.Options.Client, ["gc", "--url", url, "--token-file", server.TokenFile, "--older-than",
            Retention, "--force", "--json"]);
        var run = JsonNode.Parse(client.Output)!;
        // The client looks once a second; the server knows better.
        return client with { Wall = ((DateTimeOffset)run["finished"]! - (DateTimeOffset)run["started"]!).TotalSeconds };
    }

    private static async Task CheckAsync(CacheServer server, int filled)
    {
        await using var source = NpgsqlDataSource.Create(server.Settings());
        await using var command = source.CreateCommand("select count(*) from store_path where state = 'live'");
        if ((long)(await command.ExecuteScalarAsync())! >= filled)
            throw new BenchException("the collection ended, and nothing was deleted.");
    }
}
