using System.Buffers;
using System.Globalization;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Verify;

/// <summary>
/// Reads an object of the store once, and says whether its bytes are the declared NAR and what they show. It keeps two buffers, the
/// decompressor's window and a listing of bounded size in memory, whatever the NAR's size.
/// </summary>
internal sealed class NarVerification(IObjectStore store)
{
    private const int ReadSize = 1 << 18;
    // Of JSON: some forty thousand files. The client's own listing stays where there are more.
    private const int MaxListing = 4 << 20;

    /// <param name="task">What to read, and what to look for.</param>
    /// <param name="progress">Is told of stored bytes as they are read.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="ObjectStoreException">The store did not give the whole object, which says nothing about its bytes.</exception>
    public async Task<NarVerdict> ReadAsync(VerificationTask task, Action<int> progress, CancellationToken cancellationToken)
    {
        await using var body = await store.GetAsync(task.Key, null, cancellationToken)
            ?? throw new ObjectStoreException($"{task.Key} is not in the store", isTransient: true);
        await using var file = new HashingReadStream(body.Stream);
        // One that does not parse is from before addresses had one form: nobody can tell.
        var addresses = task.Addresses.Select(text => (Text: text, Parsed: ParseAddress(text))).Where(a => a.Parsed is not null).ToList();
        using var examination = new NarExamination(task.Hashes, [.. addresses.Select(a => a.Parsed!.Value)],
            task.WantsListing ? MaxListing : 0);
        var wrong = await ExamineAsync(task, file, examination, progress, cancellationToken);
        await DrainAsync(file, progress, cancellationToken);
        if (file.Count != body.Info.Size)
            throw new ObjectStoreException($"{task.Key} ended after {file.Count} of {body.Info.Size} bytes", isTransient: true);
        var fileHash = file.Finish();
        if (wrong is not null)
            return new NarVerdict(wrong, null);

        var findings = examination.Finish();
        if (findings.NarSize != task.NarSize)
            return new NarVerdict(string.Create(CultureInfo.InvariantCulture,
                $"The NAR has {findings.NarSize} bytes, and {task.NarSize} were declared."), null);
        if (findings.NarHash != task.NarHash)
            return new NarVerdict($"The NAR's hash is {findings.NarHash}, and {task.NarHash} was declared.", null);
        return new NarVerdict(null, new NarProof(fileHash, findings.Occurring, findings.IsPartial,
            [.. Answered(true)], [.. Answered(false)], task.WantsListing ? Listing(findings) : null));

        IEnumerable<string> Answered(bool holds) => addresses.Where((_, i) => findings.ContentAddresses[i] == holds).Select(a => a.Text);
    }

    private static async Task<string?> ExamineAsync(VerificationTask task, Stream file, NarExamination examination, Action<int> progress,
        CancellationToken cancellationToken)
    {
        var compression = NarFileName.TryParse(task.Key.ToString()["nar/".Length..], out var name) ? name.Compression : "zstd";
        await using var opened = await NarDecompression.OpenAsync(compression, new ProgressStream(file, progress), cancellationToken)
            ?? throw new InvalidOperationException($"{compression} is not known");
        try
        {
            return await opened.ShowAsync(examination.Append, task.NarSize, cancellationToken) <= task.NarSize ? null
                : string.Create(CultureInfo.InvariantCulture, $"The NAR has more than the {task.NarSize} bytes that were declared.");
        }
        catch (InvalidDataException e)
        {
            return $"The file is not compressed with {compression}, or not whole: {e.Message.TrimEnd('.')}.";
        }
    }

    // What the decompressor left, so that the file's hash is that of the whole object.
    private static async Task DrainAsync(Stream file, Action<int> progress, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(ReadSize);
        try
        {
            while (await file.ReadAsync(buffer, cancellationToken) is > 0 and var read)
                progress(read);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static (StorePathHash Self, ContentAddress Address)? ParseAddress(string text)
    {
        var space = text.IndexOf(' ', StringComparison.Ordinal);
        return ContentAddress.TryParse(text.AsSpan(space + 1), out var address)
            ? (StorePathHash.FromBytes(Convert.FromHexString(text.AsSpan(0, space))), address) : null;
    }

    private static byte[]? Listing(NarFindings findings) =>
        findings.Listing is { IsExact: true } listing ? Zstd.Compress(listing.Json) : null;

    private sealed class ProgressStream(Stream inner, Action<int> progress) : ReadOnlyStream
    {
        public override int Read(Span<byte> buffer) => Told(inner.Read(buffer));

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            Told(await inner.ReadAsync(buffer, cancellationToken));

        private int Told(int read)
        {
            progress(read);
            return read;
        }
    }
}

/// <param name="Wrong">Why the bytes are not the declared NAR; null when they are.</param>
/// <param name="Proof">What they show when they are.</param>
internal sealed record NarVerdict(string? Wrong, NarProof? Proof);
