namespace OrleansCache.Core.Store.Local;

/// <summary>Settings of a <see cref="DirectoryObjectStore"/>.</summary>
public sealed record DirectoryOptions
{
    /// <summary>
    /// The folder that holds the objects; made when it is missing. Names at its top that begin with a dot are the store's own.
    /// </summary>
    public required string Root { get; init; }

    /// <summary>The URL under which clients reach this cache's routes; upload URLs are <c>{PublicUrl}/upload/{key}?…</c>.</summary>
    public required Uri PublicUrl { get; init; }

    /// <summary>Signs upload URLs; at least 32 bytes, the same in every gateway of this store.</summary>
    public required byte[] UrlSecret { get; init; }

    /// <summary>Part of every signature: two stores that share a secret do not accept each other's URLs when their scopes differ.</summary>
    public string Scope { get; init; } = "";
}
