using Npgsql;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>
/// A reader remembers a narinfo for 30 days, with the URL of its NAR, and asks for no other when that is gone. The path meanwhile was
/// swept, and came back by a new push.
/// </summary>
public sealed class ReturnTests
{
    [BucketTheory]
    [MemberData(nameof(NixCopyTests.Tools), MemberType = typeof(NixCopyTests))]
    public async Task From_a_bucket_it_is_substituted_as_what_was_uploaded_a_day_before_its_sweep_comes_back_under_its_former_key(
        string nix)
    {
        using var bucket = await ObjectBucket.CreateAsync();
        var database = await (await PostgresServer.Shared).CreateDatabaseAsync();
        await using var server = await ServerProcess.StartAsync(["--postgres", database, .. bucket.ServerOptions]);
        await using var closure = await GeneratedClosure.MakeAsync(2);
        using var reader = new Reader(NixTool.Named(nix), bucket.Url, server);
        (await CacheCli.PushAsync(server, closure.Root)).OrThrow();
        await reader.SubstituteAsync(closure.Root);
        var keys = await bucket.KeysAsync("nar/");

        await UploadedDaysAgoAsync(database);
        await SweepAsync(server, bucket);
        (await CacheCli.PushAsync(server, closure.Root)).OrThrow();

        Assert.Equal(keys.Order(), (await bucket.KeysAsync("nar/")).Order());
        await reader.SubstituteAsync(closure.Root);
    }

    [NixTheory]
    [MemberData(nameof(NixCopyTests.Tools), MemberType = typeof(NixCopyTests))]
    public async Task From_a_gateway_it_is_substituted_also_when_it_came_back_under_another_key_within_the_day(string nix)
    {
        var database = await (await PostgresServer.Shared).CreateDatabaseAsync();
        await using var server = await ServerProcess.StartAsync("--postgres", database);
        await using var closure = await GeneratedClosure.MakeAsync(2);
        await using var copier = new NixCopier(server, NixTool.Named(nix));
        using var reader = new Reader(NixTool.Named(nix), server.Url.ToString(), server);
        (await copier.CopyAsync(closure.Root)).OrThrow();
        await reader.SubstituteAsync(closure.Root);
        var keys = await server.Objects.KeysAsync("nar/");

        await NixCopier.ForgetHoldsAsync(database);
        await SweepAsync(server, server.Objects);
        (await copier.CopyAsync(closure.Root, "--refresh")).OrThrow();

        Assert.Empty(keys.Intersect(await server.Objects.KeysAsync("nar/")));
        await reader.SubstituteAsync(closure.Root);
    }

    private static async Task SweepAsync(ServerProcess server, IObjects objects)
    {
        (await CacheCli.RunAsync(["gc", "--url", server.Url.ToString(), "--token-file", server.TokenFile, "--older-than", "0s", "--force"]))
            .OrThrow();
        await Eventually.BecomesTrueAsync(async () => (await objects.KeysAsync("nar/")).Count == 0);
    }

    /// <summary>For the database, no URL for what was uploaded can be in use any more.</summary>
    private static async Task UploadedDaysAgoAsync(string database)
    {
        await using var source = NpgsqlDataSource.Create(database);
        await using var command = source.CreateCommand(
            "update object set claimed_at = claimed_at - interval '2 days', url_expires = url_expires - interval '2 days'");
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>A machine that keeps what its Nix remembers, and has a new store each time.</summary>
    private sealed class Reader(NixTool nix, string substituter, ServerProcess server) : IDisposable
    {
        private readonly TempFolder _home = new("oc-nix-home-");

        public async Task SubstituteAsync(string root)
        {
            using var store = new TempFolder("oc-read-");
            (await nix.SubstituteAsync(store.Path, substituter, server.PublicKey, [root], _home.Path)).OrThrow();
            (await nix.VerifyAsync(store.Path)).OrThrow();
        }

        public void Dispose() => _home.Dispose();
    }
}
