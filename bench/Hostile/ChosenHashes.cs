using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Nix;

namespace OrleansCache.Bench.Hostile;

/// <summary>
/// Begins of many paths that the server refuses at their end, as their root is none of them: its own work, without the catalog's. The
/// chosen hashes are zero in their first bytes, and each 64-bit word of the rest is twice the same 32 bits: to a table that folds words, as
/// .NET's default for structs does, all are one.
/// </summary>
internal static class ChosenHashes
{
    public const int Count = 100_000;

    /// <summary>Medians of the server's processor seconds.</summary>
    public static async Task<(double Random, double Chosen)> MeasureAsync(ServerLab lab, int runs)
    {
        await using var server = await lab.StartServerAsync();
        using var http = new HttpClient { BaseAddress = new Uri(server.Url), Timeout = TimeSpan.FromMinutes(5) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", OpenBodies.Token(server));
        // Until its code is compiled as it will stay.
        await BeginAsync(chosen: false);
        await BeginAsync(chosen: false);
        var (others, collide) = (new List<double>(), new List<double>());
        for (var run = 0; run < runs; run++)
        {
            others.Add(await BeginAsync(chosen: false));
            collide.Add(await BeginAsync(chosen: true));
        }

        return (Stats.Median(others), Stats.Median(collide));

        async Task<double> BeginAsync(bool chosen)
        {
            using var body = new StringContent(Body(chosen), Encoding.UTF8, "application/json");
            var before = server.GatewayCpu;
            using var answer = await http.PostAsync(new Uri("/v1/caches/default/pushes", UriKind.Relative), body);
            if (answer.StatusCode is not (HttpStatusCode.BadRequest or HttpStatusCode.UnprocessableEntity))
                throw new BenchException(
                    $"A begin without its root was to be refused: {answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
            return server.GatewayCpu - before;
        }
    }

    private static string Body(bool chosen)
    {
        var (root, nar) = (Hash(chosen: false), Sha256Hash.Compute("a NAR"u8).ToNix32String());
        return $$"""{"roots":["{{root}}"],"paths":[{{string.Join(',', Enumerable.Range(0, Count).Select(_ => $$"""{"path":"{{Hash(chosen)}}-a","narHash":"{{nar}}","narSize":100}"""))}}]}""";
    }

    private static StorePathHash Hash(bool chosen)
    {
        var bytes = RandomNumberGenerator.GetBytes(StorePathHash.ByteLength);
        if (chosen)
        {
            bytes.AsSpan(0, 4).Clear();
            bytes.AsSpan(4, 4).CopyTo(bytes.AsSpan(8));
            bytes.AsSpan(12, 4).CopyTo(bytes.AsSpan(16));
        }

        return StorePathHash.FromBytes(bytes);
    }
}
