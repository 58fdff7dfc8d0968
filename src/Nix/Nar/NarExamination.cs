namespace OrleansCache.Nix;

/// <summary>
/// Looks at a NAR once, as its bytes go by: hash, size, listing, which store path hashes occur, and whether content addresses hold. Memory
/// is bounded whatever the bytes are: by 8 MiB, and the listing's bound twice.
/// </summary>
public sealed class NarExamination : IDisposable
{
    /// <summary>Bytes of a listing's JSON unless it is bounded otherwise; a larger one is dropped.</summary>
    public const long MaxListing = 64 << 20;

    /// <summary>The most paths that refer to themselves, each a hash more of all that follows its first reference.</summary>
    public const int MaxReferringToThemselves = ContentAddressHashes.MaxModulo;

    private const int BlockSize = 64 << 10; // stays in the processor's cache while all parts look at it

    private readonly StorePathScanner _scanner;
    private readonly ContentAddressHashes _hashes;
    private readonly BoundedListing _listing;
    private readonly NarReader _reader;
    private string? _malformed;
    private bool _finished;

    /// <param name="expected">
    /// Hashes that are looked for however they are surrounded: the declared references and the path's own.
    /// </param>
    /// <param name="contentAddresses">
    /// What paths with this NAR declare, each with its own hash, which is looked for too: where it occurs, Nix takes zeros for it.
    /// Of more than <see cref="MaxReferringToThemselves"/> that occur, the later ones cannot be told: examine fewer at once.
    /// </param>
    /// <param name="maxListing">Bytes of the listing's JSON.</param>
    public NarExamination(
        IReadOnlyCollection<StorePathHash> expected, IReadOnlyCollection<(StorePathHash Self, ContentAddress Address)> contentAddresses,
        long maxListing = MaxListing)
    {
        _listing = new BoundedListing(maxListing);
        _hashes = new ContentAddressHashes(contentAddresses);
        _scanner = new StorePathScanner(_hashes.Selves, expected.Except(_hashes.Selves));
        _reader = new NarReader(_listing);
    }

    /// <summary>The next bytes, in pieces of any size.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        ObjectDisposedException.ThrowIf(_finished, this);
        while (!bytes.IsEmpty)
        {
            var block = bytes[..Math.Min(bytes.Length, BlockSize)];
            bytes = bytes[block.Length..];
            Read(block); // first, as it tells where a single file's contents are
            _scanner.Scan(block);
            _hashes.Append(block, _scanner.Located, _reader.RootFile);
        }
    }

    /// <summary>To be called once, after the last bytes.</summary>
    public NarFindings Finish()
    {
        ObjectDisposedException.ThrowIf(_finished, this);
        _finished = true;
        NarListing? listing = null;
        try
        {
            if (_malformed is null)
                listing = _listing.Build(_reader.Complete());
        }
        catch (InvalidDataException e)
        {
            _malformed = e.Message;
        }

        var occurring = _scanner.Finish();
        var (narHash, contentAddresses) = _hashes.Finish(_malformed is null, _reader.RootFile);
        return new NarFindings
        {
            NarHash = narHash,
            NarSize = _hashes.Position,
            Malformed = _malformed,
            Occurring = occurring,
            IsPartial = _scanner.IsPartial,
            Listing = listing,
            ContentAddresses = contentAddresses,
        };
    }

    public void Dispose()
    {
        _finished = true;
        _hashes.Dispose();
    }

    private void Read(ReadOnlySpan<byte> block)
    {
        if (_malformed is not null)
            return;
        try
        {
            _reader.Feed(block);
        }
        catch (InvalidDataException e)
        {
            _malformed = e.Message;
        }
    }
}
