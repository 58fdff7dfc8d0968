using OrleansCache.Cli.Common;
using OrleansCache.Contracts;
using Xunit;

namespace OrleansCache.Cli.Tests;

/// <summary>NARs that the server does not accept, and paths whose contents are not what Nix has recorded.</summary>
public sealed class RefusedNarTests : PusherFixture
{
    [Fact]
    public async Task An_upload_that_is_not_accepted_is_sent_again_but_not_for_ever()
    {
        _store.Add("a", 1000);
        _cache.WaitStateOf = _ => PathState.Upload;
        var rejections = 0;
        _cache.Reject = _ => rejections++ == 0 ? "hash-mismatch" : null;

        await PushAsync();

        Assert.Single(_cache.Live);
        _store.Add("b", 2000);
        _cache.Reject = _ => "size-mismatch";
        var error = await Assert.ThrowsAsync<CliException>(() => PushAsync());
        Assert.Contains("size-mismatch", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_damaged_store_path_is_named_and_nothing_is_published(bool serverHashes)
    {
        _cache.Hashes = serverHashes;
        _store.Add("good", 1000);
        var bad = _store.Add("bad", 1000);
        await File.WriteAllTextAsync(Path.Combine(_store.Folder, bad.Path.BaseName, "file"), new string('x', 1000));

        var error = await Assert.ThrowsAsync<CliException>(() => PushAsync());

        Assert.Equal(ExitCodes.Failed, error.ExitCode);
        Assert.Contains(bad.Path.BaseName, error.Message, StringComparison.Ordinal);
        Assert.Contains("--repair", error.Message, StringComparison.Ordinal);
        Assert.Empty(_cache.Live);
    }

    [Theory]
    [InlineData(999)]
    [InlineData(1001)]
    [InlineData(100_000)]
    public async Task A_store_path_of_another_size_is_a_damaged_one(int size)
    {
        var bad = _store.Add("bad", 1000);
        await File.WriteAllBytesAsync(Path.Combine(_store.Folder, bad.Path.BaseName, "file"), new byte[size]);

        var error = await Assert.ThrowsAsync<CliException>(() => PushAsync());

        Assert.Contains("not what Nix's database says", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_nar_whose_next_grants_all_end_is_given_up()
    {
        _store.Add("a", 1000);
        _cache.WaitStateOf = _ => PathState.Upload;
        _cache.Reject = _ => "hash-mismatch";
        var puts = 0;
        _cache.Misbehave = First(int.MaxValue, request => request.Path.Value!.Contains("/store/", StringComparison.Ordinal)
            && Interlocked.Increment(ref puts) > 1, context => Status(context, 404));

        var error = await Assert.ThrowsAsync<CliException>(() => PushAsync());

        Assert.Contains("did not accept", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_damaged_path_is_told_of_before_all_others_are_sent()
    {
        _cache.Hashes = true;
        var bad = _store.Add("bad", 200_000, noise: true);
        _store.Add("others", 1000);
        await File.WriteAllBytesAsync(Path.Combine(_store.Folder, bad.Path.BaseName, "file"),
            System.Security.Cryptography.RandomNumberGenerator.GetBytes(200_000));
        // The other one hangs until the push has failed.
        var failed = new TaskCompletionSource();
        _cache.Misbehave = async context =>
        {
            if (context.Request.Path.Value!.Contains("/store/", StringComparison.Ordinal) && context.Request.ContentLength < 10_000)
                await failed.Task;
            return false;
        };

        // A client that waits for it would wait for ever.
        var error = await Assert.ThrowsAsync<CliException>(() => PushAsync().WaitAsync(TimeSpan.FromMinutes(1)));
        failed.SetResult();

        Assert.Contains(bad.Path.BaseName, error.Message, StringComparison.Ordinal);
        Assert.Contains("--repair", error.Message, StringComparison.Ordinal);
    }
}
