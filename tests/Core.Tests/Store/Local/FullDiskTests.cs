using System.ComponentModel;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.Local;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Store.Local;

/// <summary>A directory store on a disk of 8 MiB that is filled: every write says why it failed, and nothing of it stays.</summary>
public sealed class FullDiskTests : IAsyncLifetime, IDisposable
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly DateTimeOffset Fence = DateTimeOffset.UtcNow.AddHours(1);
    private static readonly ObjectHeaders Text = new("text/plain", "no-store");
    private readonly TempFolder _folder = new();
    private SmallDisk _disk = null!;
    private DirectoryObjectStore _store = null!;

    public async Task InitializeAsync()
    {
        if (SmallDisk.MissingReason is not null)
            return;
        _disk = await SmallDisk.OnAsync(_folder.Path, 8);
        _store = new DirectoryObjectStore(new DirectoryOptions
        {
            Root = _folder.Path,
            PublicUrl = new Uri("http://cache"),
            UrlSecret = new byte[32]
        });
        await _store.PutAsync(ObjectKey.Parse("nar/there"), new byte[10], Text, Fence, None);
    }

    public async Task DisposeAsync()
    {
        if (_disk is not null)
            await _disk.DisposeAsync();
    }

    public void Dispose() => _folder.Dispose();

    [SmallDiskFact]
    public async Task An_upload_that_does_not_fit_is_refused_before_its_body_is_read()
    {
        using var unread = new UnreadableStream();

        var e = await Assert.ThrowsAsync<ObjectStoreException>(() => _store.ReceiveAsync(Ticket("nar/a"), unread, 9 << 20, None));

        Assert.True(FullDisk.Is(e));
        Assert.Equal(UploadStatus.Stored, await PutAsync("nar/a", 1 << 20));
    }

    [SmallDiskFact]
    public async Task An_upload_that_meets_the_end_of_the_disk_leaves_nothing()
    {
        var free = _disk.Free;

        var e = await Assert.ThrowsAsync<ObjectStoreException>(() =>
            _store.ReceiveAsync(Ticket("nar/a"), new FillingStream(_disk, new byte[2 << 20]), 2 << 20, None));

        Assert.True(FullDisk.Is(e));
        File.Delete(Path.Combine(_disk.Folder, ".ballast"));
        Assert.Equal(free, _disk.Free);
    }

    [SmallDiskFact]
    public async Task A_part_that_meets_the_end_of_the_disk_gives_its_space_back_and_the_other_parts_stay()
    {
        const int PartSize = 2 << 20;
        var id = await _store.BeginMultipartAsync(ObjectKey.Parse("nar/a"), PartSize, None);
        await _store.PutPartAsync(ObjectKey.Parse("nar/a"), id, PartSize, 1, new byte[PartSize], None);
        var free = _disk.Free;

        var e = await Assert.ThrowsAsync<ObjectStoreException>(() =>
            _store.ReceiveAsync(new SignedUpload(ObjectKey.Parse("nar/a"), null, new UploadPart(id, 2, PartSize), default),
                new FillingStream(_disk, new byte[PartSize]), PartSize, None));

        Assert.True(FullDisk.Is(e));
        File.Delete(Path.Combine(_disk.Folder, ".ballast"));
        Assert.Equal(free, _disk.Free);
        await _store.PutPartAsync(ObjectKey.Parse("nar/a"), id, PartSize, 2, new byte[PartSize], None);
        Assert.True(await _store.CompleteMultipartAsync(ObjectKey.Parse("nar/a"), id, 2 * PartSize,
            [new string('0', 32), new string('0', 32)], None));
    }

    [SmallDiskFact]
    public async Task Sidecars_batches_and_multipart_uploads_say_that_the_disk_is_full_and_leave_nothing()
    {
        await _disk.FillAsync();
        var body = new byte[5000];
        Func<Task>[] writes =
        [
            () => _store.PutAsync(ObjectKey.Parse("pins/x"), body, Text, Fence, None),
            () => _store.StageAsync([new ObjectWrite(ObjectKey.Parse("pins/x"), body, Text)], None),
            () => _store.StageAsync([.. Enumerable.Range(0, 40).Select(i => new ObjectWrite(ObjectKey.Parse($"log/{i}"), body, Text))],
                None),
            () => _store.PutNewAsync(ObjectKey.Parse("nar/x"), body, None),
            () => _store.ReceiveBatchAsync([(Ticket("nar/x"), body.Length)], new MemoryStream(body), None),
            () => _store.BeginMultipartAsync(ObjectKey.Parse("nar/x"), 5 << 20, None),
        ];

        foreach (var write in writes)
            Assert.True(FullDisk.Is(await Assert.ThrowsAsync<ObjectStoreException>(write)));

        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(_disk.Folder, ".tmp")));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(_disk.Folder, ".multipart")));
        // What makes room needs none.
        Assert.Equal([FencedOutcome.Done], await _store.DeleteAsync([ObjectKey.Parse("nar/there")], Fence, None));
    }

    [SmallDiskFact]
    public async Task Hardly_any_space_is_told_before_an_upload_meets_it()
    {
        Assert.Null(_store.FindWriteTrouble());

        var ballast = await _disk.FillAsync(left: 100_000);

        Assert.Contains("has 0 MiB left", _store.FindWriteTrouble(), StringComparison.Ordinal);
        File.Delete(ballast);
        Assert.Null(_store.FindWriteTrouble());
    }

    [Theory]
    [InlineData(28, true)]
    [InlineData(122, true)]
    [InlineData(13, false)]
    public void A_quota_is_as_good_as_a_full_disk(int error, bool isFull) =>
        Assert.Equal(isFull, FullDisk.Is(new ObjectStoreException("x", isTransient: false, new Win32Exception(error))));

    private static SignedUpload Ticket(string key) => new(ObjectKey.Parse(key), null, null, default);

    private Task<UploadStatus> PutAsync(string key, int size) =>
        _store.ReceiveAsync(Ticket(key), new MemoryStream(new byte[size]), size, None);

    private sealed class UnreadableStream : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            throw new InvalidOperationException("nobody should read this");
    }

    /// <summary>Fills the disk before its second half is read.</summary>
    private sealed class FillingStream(SmallDisk disk, byte[] bytes) : MemoryStream(bytes)
    {
        private bool _full;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (!_full && Position >= Length / 2)
            {
                await disk.FillAsync();
                _full = true;
            }

            return Read(buffer.Span);
        }
    }
}
