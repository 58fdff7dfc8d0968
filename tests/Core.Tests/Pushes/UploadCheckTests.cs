using System.Globalization;
using System.Security.Cryptography;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Pushes;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.Local;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Pushes;

/// <summary>
/// What stands between a wrong upload and a reader where the bytes pass through a gateway: all of it is read again when it is reported.
/// </summary>
public class UploadCheckTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly DirectoryObjectStore _store;
    private readonly byte[] _nar;
    private readonly byte[] _file;

    public UploadCheckTests()
        : this(700_000) // more than one piece of what is read at once
    {
    }

    protected UploadCheckTests(int size)
    {
        _nar = RandomNumberGenerator.GetBytes(size);
        _store = new DirectoryObjectStore(new DirectoryOptions
        {
            Root = _folder.Path,
            PublicUrl = new Uri("http://127.0.0.1/"),
            UrlSecret = new byte[32]
        });
        _file = Zstd.Compress(_nar);
    }

    public void Dispose()
    {
        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_was_declared_is_accepted_and_its_file_hashed_whether_the_client_has_done_so_or_not(bool reported)
    {
        var (rejected, fileHash) = await CheckAsync(_file, report =>
            report with { FileHash = reported ? Sha256Hash.Compute(_file) : null });

        Assert.Null(rejected);
        Assert.Equal(Sha256Hash.Compute(_file), fileHash);
    }

    [Theory]
    [InlineData("another NAR of that size", "hash-mismatch", "The NAR's hash is")]
    [InlineData("a bit flipped", "hash-mismatch", "")]
    [InlineData("not zstd", "hash-mismatch", "not a zstd-compressed NAR")]
    [InlineData("cut short", "hash-mismatch", "not a zstd-compressed NAR")]
    [InlineData("nothing", "hash-mismatch", "not a zstd-compressed NAR")]
    [InlineData("shorter", "size-mismatch", "only {0} bytes")]
    [InlineData("longer", "size-mismatch", "more than {1} bytes")]
    [InlineData("two frames", "size-mismatch", "more than {1} bytes")]
    public async Task Anything_else_is_refused_although_no_hash_was_reported(string what, string reason, string detail)
    {
        byte[] flipped = [.. _file];
        flipped[_file.Length / 2] ^= 1;
        var file = what switch
        {
            "another NAR of that size" => Zstd.Compress(RandomNumberGenerator.GetBytes(_nar.Length)),
            "a bit flipped" => flipped,
            "not zstd" => _nar,
            "cut short" => _file[..^1],
            "nothing" => [],
            "shorter" => Zstd.Compress(_nar.AsSpan(1)),
            "longer" => Zstd.Compress([.. _nar, 0]),
            _ => [.. _file, .. Zstd.Compress(new byte[10 << 20])],
        };

        var (rejected, _) = await CheckAsync(file, report => report);

        Assert.Equal(reason, rejected?.Reason);
        Assert.Contains(string.Format(CultureInfo.InvariantCulture, detail, _nar.Length - 1, _nar.Length), rejected!.Detail,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_report_that_says_something_else_of_the_file_is_refused()
    {
        var (hash, _) = await CheckAsync(_file, report => report with { FileHash = Sha256Hash.Compute(_nar) });
        var (size, _) = await CheckAsync(_file, report => report with { FileSize = report.FileSize + 1 });

        Assert.Equal(("hash-mismatch", "size-mismatch"), (hash?.Reason, size?.Reason));
    }

    [Fact]
    public async Task What_never_arrived_is_not_found()
    {
        var token = Token();

        var answer = await new UploadCheck(_store, new PushOptions())
            .CheckAsync([(token, new UploadedNar { Upload = token.ToString(), FileSize = 1 })], CancellationToken.None);

        Assert.Equal("not-found", Assert.Single(answer).Rejected?.Reason);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Where_nobody_reads_what_is_uploaded_a_report_has_to_tell_its_hash(bool bucket)
    {
        var token = Token();
        var check = new UploadCheck(bucket ? new MemoryObjectStore() : _store, new PushOptions { VerifyLocalUploads = bucket });

        var refused = await Assert.ThrowsAsync<CacheProblemException>(() =>
            check.CheckAsync([(token, new UploadedNar { Upload = token.ToString(), FileSize = 1 })], CancellationToken.None));

        Assert.Equal(ProblemKind.BadRequest, refused.Kind);
        Assert.Contains("fileHash", refused.Message, StringComparison.Ordinal);
    }

    private UploadGrantId Token() => new(1, MintedKeys.Mint(1)[0], Sha256Hash.Compute(_nar), _nar.Length, null);

    private async Task<(RejectedUpload? Rejected, Sha256Hash? FileHash)> CheckAsync(byte[] file, Func<UploadedNar, UploadedNar> report)
    {
        var token = Token();
        await _store.PutAsync(token.Key, file, KeyHeaders.For(token.Key), DateTimeOffset.UtcNow.AddMinutes(1), CancellationToken.None);
        var reported = report(new UploadedNar { Upload = token.ToString(), FileSize = file.Length });
        var (rejected, fileHash, _) = Assert.Single(
            await new UploadCheck(_store, new PushOptions()).CheckAsync([(token, reported)], CancellationToken.None));
        return (rejected, fileHash);
    }
}

/// <summary>The same of a file that is read twice, its hash beside that of the NAR.</summary>
public sealed class LargeUploadCheckTests() : UploadCheckTests(18 << 20);
