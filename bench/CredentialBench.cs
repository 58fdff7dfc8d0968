using System.Globalization;
using System.Text.Json.Nodes;
using OrleansCache.Testing;

namespace OrleansCache.Bench;

/// <summary>
/// What <c>push --credential oidc</c> measures: the same warm push with a token of the server and with one of an issuer, in turn on one
/// server.
/// </summary>
internal static class CredentialBench
{
    private const double MaxMore = 3;
    private const int LeastRuns = 100;
    private const string Issuer = "https://ci.example.org";
    private const string Audience = "https://cache.example.org";

    /// <returns>The program's exit code: 1 when it was to check the target and it is missed.</returns>
    public static async Task<int> RunAsync(ServerLab lab, IReadOnlyList<ClosureSet> sets)
    {
        // Keys from a file: what a request costs does not depend on how they came.
        using var key = TokenKey.Make("bench");
        var (access, identity) = (Path.Combine(lab.Options.Work, "access.json"), Path.Combine(lab.Options.Work, "identity"));
        await File.WriteAllTextAsync(Path.Combine(lab.Options.Work, "keys.json"),
            new JsonObject { ["keys"] = new JsonArray(key.PublicJwk()) }.ToJsonString());
        await File.WriteAllTextAsync(access, $$"""
            {"issuers":[{"name":"bench","issuer":"{{Issuer}}","audience":"{{Audience}}","jwksFile":"keys.json","rules":[
              {"name":"ci","claims":{"repository_id":"1296269","ref":["refs/heads/main","refs/tags/*"]},"scopes":["push"]}]}]}
            """);
        await File.WriteAllTextAsync(identity, Token(key));
        var rows = new List<Row>();
        foreach (var set in sets)
            rows.Add(await MeasureAsync(lab, set, access, identity));
        Target[] targets = [.. rows.Select(r => new Target($"{r.Set.Name}, warm: OIDC's time more than a token's", r.More, MaxMore, "ms"))];
        Print(lab.Options, rows, targets);
        return lab.Options.Check && targets.Any(t => !t.IsMet) ? 1 : 0;
    }

    private static async Task<Row> MeasureAsync(ServerLab lab, ClosureSet set, string access, string identity)
    {
        Console.Error.WriteLine($"{set.Name}: warm pushes with both credentials");
        await using var server = await lab.StartServerAsync("--access", access);
        foreach (var file in (string[])[server.TokenFile, identity, server.TokenFile, identity])
            await lab.PushAsync(server, [set.Root], tokenFile: file);
        var (token, oidc) = (new List<OnePush>(), new List<OnePush>());
        for (var run = 0; run < Math.Max(LeastRuns, lab.Options.Runs); run++)
        {
            // Neither is always the second.
            var inOrder = run % 2 == 0 ? ((string, List<OnePush>)[])[(server.TokenFile, token), (identity, oidc)]
                : [(identity, oidc), (server.TokenFile, token)];
            foreach (var (file, pushes) in inOrder)
            {
                var before = server.GatewayCpu;
                var phases = ServerLab.PhasesOf(await lab.PushAsync(server, [set.Root], tokenFile: file));
                // Without path-info, which is Nix's and the same for both.
                pushes.Add(new OnePush((phases["begin"] + phases["upload"] + phases["commit"]) * 1000, (server.GatewayCpu - before) * 1000));
            }
        }

        return new Row(set, token, oidc);
    }

    // As long as a job's: with all claims that GitHub sends.
    private static string Token(TokenKey key)
    {
        var claims = ExampleClaims.GitHub(Audience);
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        (claims["iss"], claims["iat"], claims["nbf"], claims["exp"]) = (Issuer, now, now, now + 86_400);
        return key.Sign(claims);
    }

    private static void Print(BenchOptions options, List<Row> rows, Target[] targets)
    {
        var to = options.Json ? Console.Error : Console.Out;
        to.WriteLine("Warm pushes, from the begin to the end of the commit, in milliseconds: medians, and the median of the differences " +
            "between a push and the next one. Gateway: its processor time of one, on average.");
        foreach (var row in rows)
        {
            to.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{row.Set.Name}: {row.Set.Paths.Count} paths  " +
                $"token {Median(row.Token):F2}  oidc {Median(row.Oidc):F2}  difference {row.More:F2}  " +
                $"gateway: token {Cpu(row.Token):F2}  oidc {Cpu(row.Oidc):F2}"));
        }

        foreach (var target in targets)
            to.WriteLine(target);
        if (!options.Json)
            return;
        Console.Out.WriteLine(new JsonObject
        {
            ["sets"] = new JsonArray([.. rows.Select(r => (JsonNode)new JsonObject
            {
                ["name"] = r.Set.Name,
                ["paths"] = r.Set.Paths.Count,
                ["tokenMs"] = Math.Round(Median(r.Token), 3),
                ["oidcMs"] = Math.Round(Median(r.Oidc), 3),
                ["moreMs"] = Math.Round(r.More, 3),
                ["tokenGatewayMs"] = Math.Round(Cpu(r.Token), 3),
                ["oidcGatewayMs"] = Math.Round(Cpu(r.Oidc), 3),
            })]),
            ["targets"] = new JsonArray([.. targets.Select(t => (JsonNode)t.ToJson())]),
        }.ToJsonString());
    }

    private static double Median(IEnumerable<OnePush> pushes) => Stats.Median(pushes.Select(p => p.Time));

    private static double Cpu(IEnumerable<OnePush> pushes) => pushes.Average(p => p.Cpu);

    /// <param name="Time">Milliseconds.</param>
    /// <param name="Cpu">Milliseconds of the gateway.</param>
    private sealed record OnePush(double Time, double Cpu);

    private sealed record Row(ClosureSet Set, IReadOnlyList<OnePush> Token, IReadOnlyList<OnePush> Oidc)
    {
        /// <summary>Each beside its neighbour: what else the machine does changes more slowly than that.</summary>
        public double More => Stats.Median(Token.Zip(Oidc, (token, oidc) => oidc.Time - token.Time));
    }
}
