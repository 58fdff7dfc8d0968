namespace OrleansCache.Contracts;

/// <summary>The client's <c>Idempotency-Key</c>, or one minted at the gateway: 1 to 128 printable ASCII characters.</summary>
public readonly record struct OperationId
{
    private OperationId(string value) => Value = value;

    public string Value { get; }

    public static OperationId New() => new(Guid.CreateVersion7().ToString("n"));

    public static bool TryParse(string? text, out OperationId id)
    {
        id = default;
        if (text is null || text.Length is 0 or > 128 || text.AsSpan().ContainsAnyExceptInRange('!', '~'))
            return false;
        id = new OperationId(text);
        return true;
    }

    public override string ToString() => Value ?? "";
}
