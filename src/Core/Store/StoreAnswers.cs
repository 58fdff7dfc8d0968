using System.Collections.Frozen;
using System.Globalization;
using Amazon.Runtime;
using OrleansCache.Core.Common;

namespace OrleansCache.Core.Store;

/// <summary>What to do about an answer of the store that is no success.</summary>
public enum StoreStep
{
    /// <summary>The answer is about the object rather than the request: the caller understands it.</summary>
    Understand,

    /// <summary>Nothing was done; the same request will succeed.</summary>
    Repeat,

    /// <summary>Unknown whether the request was done, or is still being done; the same request tells.</summary>
    Ask,

    /// <summary>Nothing was done, and no repetition helps before a person acts.</summary>
    Tell,

    /// <summary>Nothing was done, and this request never succeeds at this store.</summary>
    Refuse,
}

/// <summary>
/// The one table of the answers of an S3 store: the step, and the sentence for whoever has to wait or act. <c>docs/operations.md</c> lists
/// it.
/// </summary>
/// <param name="Code">The store's own, or its HTTP status where it sent no error document.</param>
public sealed record StoreAnswer(StoreStep Step, string Code, string Sentence)
{
    /// <summary>For answers that are about the object, and need no sentence.</summary>
    private const string Plain = "";

    private static readonly (string[] Codes, StoreStep Step, string Sentence)[] Rows =
    [
        (["NoSuchKey", "NoSuchVersion", "NoSuchUpload", "InvalidPart", "InvalidPartOrder", "EntityTooSmall", "InvalidRange",
            "PreconditionFailed", "NotModified"], StoreStep.Understand, Plain),
        (["SlowDown", "TooManyRequests", "Throttling", "ThrottlingException", "RequestLimitExceeded", "Busy", "BandwidthLimitExceeded"],
            StoreStep.Repeat, "The store asks for a slower pace. Send the same request again."),
        (["ServiceUnavailable"], StoreStep.Repeat, "The store is busy or restarts. Send the same request again."),
        (["RequestTimeout", "IncompleteBody", "BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"],
            StoreStep.Repeat, "The body did not reach the store whole. Send the same request again."),
        (["OperationAborted", "ConditionalRequestConflict"], StoreStep.Repeat,
            "The store works on the same object for another request. Send the same request again."),
        (["InternalError"], StoreStep.Ask, "The store failed inside; its own log tells why. Send the same request again."),
        (["AccessDenied", "AllAccessDisabled", "AccountProblem", "UnauthorizedAccess"], StoreStep.Tell,
            "The bucket's policy or the rights of the server's key deny it, or that key is wrong (--s3-access-key-file, " +
            "--s3-secret-key-file). Allow it s3:* on the bucket and all in it."),
        (["InvalidAccessKeyId", "InvalidToken", "InvalidSecurity", "NotSignedUp"], StoreStep.Tell,
            "The store does not know the server's access key. Give the server a valid one (--s3-access-key-file)."),
        (["SignatureDoesNotMatch"], StoreStep.Tell,
            "The server's secret key is wrong (--s3-secret-key-file), or a proxy before the store changes the host, the path or the " +
            "headers of requests."),
        (["ExpiredToken", "TokenRefreshRequired"], StoreStep.Tell,
            "The server's session credentials have expired. Give it new ones, or a role that renews them."),
        (["RequestTimeTooSkewed", "RequestExpired"], StoreStep.Tell,
            "The clocks of this server and of the store differ by more than the store allows. Synchronise both (NTP)."),
        (["NoSuchBucket", "InvalidBucketName"], StoreStep.Tell,
            "There is no such bucket. Make it, or name another (--s3-bucket); --s3-endpoint is the server's URL without the bucket."),
        (["QuotaExceeded", "InsufficientStorage", "InsufficientCapacity", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded",
            "TooManyObjects"], StoreStep.Tell, "The store is full, or its quota is used up. Raise it, or free space ('orleans-cache gc')."),
        (["InvalidRequest", "MissingContentMD5", "MissingSecurityHeader", "MissingRequiredHeader"], StoreStep.Tell,
            "The store wants a header that was not sent, or not that one: with Object Lock it wants Content-MD5. The server now finds " +
            "out what the store wants, once a minute at most. Send the same request again."),
        (["ObjectLocked", "ObjectLockConfigurationNotFoundError", "InvalidObjectState"], StoreStep.Tell,
            "Object Lock, a retention or an archive keeps the object as it is. Give the cache a bucket without these."),
        (["PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
            "InvalidRegionName"], StoreStep.Tell,
            "The bucket is in another region, or at another endpoint. Name it (--s3-region, --s3-endpoint)."),
        (["AuthorizationQueryParametersError", "CredentialsNotSupported", "InvalidSignatureVersion"], StoreStep.Tell,
            "The store does not take signatures as the server makes them (AWS Signature Version 4). Check --s3-region, and the store's settings."),
        (["KMS.ThrottlingException", "KMS.RequestLimitExceeded"], StoreStep.Repeat,
            "The service that keeps the bucket's key asks for a slower pace. Send the same request again."),
        (["KMS.InternalException", "KMS.KMSInternalException", "KMS.DependencyTimeoutException"], StoreStep.Ask,
            "The service that keeps the bucket's key failed inside. Send the same request again."),
        (["KMS.DisabledException", "KMS.NotFoundException", "KMS.KMSInvalidStateException", "KMS.InvalidStateException",
            "KMS.AccessDeniedException", "KMS.KeyUnavailableException"], StoreStep.Tell, Encryption),
        (["EntityTooLarge", "MaxMessageLengthExceeded"], StoreStep.Refuse,
            "The store takes no object, or no part, of this size. Raise its limit."),
        (["NotImplemented", "MethodNotAllowed", "UnsupportedOperation", "XNotImplemented"], StoreStep.Refuse,
            "The store does not know this request. Update it, or use another."),
        (["InvalidArgument", "InvalidURI", "KeyTooLongError", "MalformedXML", "MissingContentLength", "InvalidDigestAlgorithm"],
            StoreStep.Refuse, "The store cannot make sense of this request. Update it, or use another; --s3-prefix may be too long."),
    ];

    private const string Encryption =
        "The bucket's encryption key cannot be used. Enable it, and allow the server's key kms:GenerateDataKey and kms:Decrypt.";

    private static readonly FrozenDictionary<string, StoreAnswer> ByCode =
        Rows.SelectMany(r => r.Codes.Select(c => new StoreAnswer(r.Step, c, r.Sentence))).ToFrozenDictionary(a => a.Code);

    // The answers without an error document. They may come from a proxy, and prove nothing where the request may have gone further.
    private static readonly FrozenDictionary<int, StoreAnswer> ByStatus = new (int[] Statuses, StoreStep Step, string Sentence)[]
    {
        ([404, 412, 416], StoreStep.Understand, Plain),
        ([409], StoreStep.Repeat, "The store works on the same object for another request. Send the same request again."),
        ([429], StoreStep.Repeat, "The store asks for a slower pace. Send the same request again."),
        ([408], StoreStep.Ask, "The request did not reach the store in time. Send the same request again."),
        ([500], StoreStep.Ask, "The store failed inside; its own log tells why. Send the same request again."),
        ([502, 504], StoreStep.Ask, "A proxy does not reach the store. Send the same request again."),
        ([503], StoreStep.Ask, "The store, or a proxy before it, is busy or restarts. Send the same request again."),
        ([301, 307, 308], StoreStep.Tell, "The bucket is in another region, or at another endpoint. Name it (--s3-region, --s3-endpoint)."),
        ([302], StoreStep.Tell, "A redirect is no answer of a store. --s3-endpoint is the URL of its S3 service."),
        ([400], StoreStep.Tell,
            "The store cannot make sense of the request. Is --s3-endpoint the URL of its S3 service, and --s3-region its region?"),
        ([401, 407], StoreStep.Tell, "A proxy before the store wants credentials of its own. Let the server reach the store without it."),
        ([403], StoreStep.Tell, "The store denies it: the server's keys are wrong, the bucket's policy forbids it, or the clocks differ."),
        ([411], StoreStep.Tell, "A proxy before the store drops Content-Length. Let the server reach the store without it."),
        ([507], StoreStep.Tell, "The store is full, or its quota is used up. Raise it, or free space ('orleans-cache gc')."),
        ([405], StoreStep.Refuse, "The store does not know this request. Is --s3-endpoint the URL of its S3 service?"),
        ([413], StoreStep.Refuse, "The store, or a proxy before it, takes no body of this size. Raise its limit."),
        ([501], StoreStep.Refuse, "The store does not know this request. Update it, or use another."),
    }.SelectMany(r => r.Statuses.Select(status =>
        (Status: status, Answer: new StoreAnswer(r.Step, string.Create(CultureInfo.InvariantCulture, $"HTTP {status}"), r.Sentence))))
        .ToFrozenDictionary(r => r.Status, r => r.Answer);

    /// <summary>No answer came, or only part of one.</summary>
    public static StoreAnswer None { get; } = new(StoreStep.Ask, "no answer",
        "The object store did not answer in time. Send the same request again.");

    /// <summary>Nothing was sent, as the fence had passed.</summary>
    public static StoreAnswer Late { get; } =
        new(StoreStep.Repeat, "no answer",
            "No time was left for it: this server's clock is ahead of the database's, or the machine has too much to do. Synchronise the clocks (NTP).");

    /// <summary>Every code that has a row.</summary>
    public static IReadOnlyList<StoreAnswer> Codes => ByCode.Values;

    /// <summary>Every status that has a row, for answers without a code.</summary>
    public static IReadOnlyList<StoreAnswer> Statuses => ByStatus.Values;

    /// <summary>Whether the store itself said that it has not done the request and will not: such an attempt is over.</summary>
    public bool IsRefusal => Step is StoreStep.Tell or StoreStep.Refuse;

    /// <summary>The same answer to a request without an object that it could be about.</summary>
    internal StoreAnswer AsRefusal() => Step != StoreStep.Understand ? this
        : this with
        {
            Step = StoreStep.Tell,
            Sentence = "That is no answer to such a request. Is --s3-endpoint the URL of the store's S3 service?"
        };

    /// <summary>The outcome that the metric of store requests counts.</summary>
    internal string Outcome => Step is StoreStep.Repeat or StoreStep.Ask ? StoreCall.Failed : StoreCall.Refused;

    /// <summary>Counts the answer, by its code where the table has it: other codes could be any number.</summary>
    internal void Count()
    {
        if (Step != StoreStep.Understand)
            Telemetry.StoreErrors.Add(1, new KeyValuePair<string, object?>("code", this == None ? "none" : ByCode.ContainsKey(Code)
                || ByStatus.Values.Contains(this) ? Code : "other"));
    }

    /// <param name="status">The HTTP status; 0: none came.</param>
    /// <param name="code">Of the error document; null or empty: there was none.</param>
    /// <param name="words">The store's message, used where the table has no sentence.</param>
    public static StoreAnswer Of(int status, string? code, string? words = null)
    {
        if (string.IsNullOrEmpty(code))
            return status == 0 ? None : ByStatus.GetValueOrDefault(status)
                ?? Unknown(status, $"HTTP {status.ToString(CultureInfo.InvariantCulture)}", words);
        if (ByCode.TryGetValue(code, out var answer))
            return answer;
        return code.StartsWith("KMS.", StringComparison.Ordinal) ? new StoreAnswer(StoreStep.Tell, code, Encryption)
            : Unknown(status, code, words);
    }

    /// <summary>What an exception of the SDK says.</summary>
    internal static StoreAnswer Of(AmazonServiceException e)
    {
        // Without an error document the SDK makes a code of the status.
        var hasCode = e.ErrorCode is { Length: > 0 } code && code != e.StatusCode.ToString()
            && !int.TryParse(code, NumberStyles.None, CultureInfo.InvariantCulture, out _);
        return Of((int)e.StatusCode, hasCode ? e.ErrorCode : null, e.Message);
    }

    private static StoreAnswer Unknown(int status, string code, string? words)
    {
        var step = status switch { >= 500 or 0 => StoreStep.Ask, 408 or 409 or 429 => StoreStep.Repeat, _ => StoreStep.Tell };
        return new StoreAnswer(step, code, string.IsNullOrWhiteSpace(words) ? "The store's log tells more."
            : $"The store says: {words.ReplaceLineEndings(" ").Trim()}");
    }
}
